"""Who may read an item of the timeline: on whatever timeline it stands, whoever may read the record that it is of."""

from __future__ import annotations

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.contacts import get_person
from crm_core.deals import get_deal
from crm_core.documents.issued import get_document
from crm_core.errors import CoreError
from crm_core.leads import get_lead
from crm_core.rights import Action
from crm_core.tasks import get_task
from crm_core.timeline import TimelineItem
from storage import ReadTx


def check_item(tx: ReadTx, actor: Actor, item: TimelineItem) -> None:
    """What a task left behind is for those who take part in it, even on the timeline of a lead; what belongs to a lead
    and to a deal is for the readers of either; what belongs to none of them, for the readers of its contact. Raises
    `Forbidden`, or `Missing` when the record is gone."""
    if item.task_id is not None:
        get_task(tx, actor, item.task_id)
    elif item.lead_id is not None and item.deal_id is not None:
        _check_either(tx, actor, item.lead_id, item.deal_id)
    elif item.lead_id is not None:
        get_lead(tx, actor, item.lead_id)
    elif item.deal_id is not None:
        get_deal(tx, actor, item.deal_id)
    elif item.person_id is not None:
        get_person(tx, actor, item.person_id)
    else:
        check(actor, "contact", Action.READ)


def check_file(tx: ReadTx, actor: Actor, item: TimelineItem) -> None:
    """A file of an item is for whoever may read the item; a document that was sent, only for those who may read
    documents besides."""
    check_item(tx, actor, item)
    if document_id := item.data.get("document_id"):
        get_document(tx, actor, document_id)


def _check_either(tx: ReadTx, actor: Actor, lead_id: str, deal_id: str) -> None:
    try:
        get_lead(tx, actor, lead_id)
    except CoreError:
        get_deal(tx, actor, deal_id)


def is_readable(tx: ReadTx, actor: Actor, item: TimelineItem) -> bool:
    """The same as an answer: whether a timeline shows this item to this reader."""
    try:
        check_item(tx, actor, item)
    except CoreError:
        return False
    return True
