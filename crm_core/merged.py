"""Where records went that were merged into others: an old id still leads to the record that lives on.

A record that was merged away leaves its collection, so that no list, report or search has to leave it out, and leaves a
tombstone here. What it held is kept by the merge itself (see `merge.py`).
"""

from __future__ import annotations

from storage import Collection, Entity, Index, ReadTx


class MergedAway(Entity, frozen=True, kw_only=True):
    """`id` is that of the record that is gone."""

    merged_into: str
    merge_id: str


MERGED_AWAY = Collection("merged_away", MergedAway, [Index("merged_into")])


def resolve(tx: ReadTx, record_id: str) -> str:
    """The id of the record that lives on, over as many merges as there were; the id itself when it was never merged."""
    while (tombstone := tx.get(MERGED_AWAY, record_id)) is not None:
        record_id = tombstone.merged_into
    return record_id
