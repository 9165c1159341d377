"""The bench: how fast the hub is on this machine, each figure beside the limit that was measured in the same run.

`python -m bench` (or `make bench`) starts what it needs on free ports of the loopback, loads it, prints one table and
writes `artifacts/bench.json`. Absolute figures belong to a machine; ratios within one run can be compared. See
`docs/bench.md`.
"""
