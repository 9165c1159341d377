"""What became of our messages: sent, delivered, read, failed. States only move forward."""

from __future__ import annotations

from connectors.contract import DeliveryFacts, MessageState
from connectors.outbox import OUTBOX, OutboxMessage
from crm_core.changes import tell
from crm_core.deals import DEALS
from crm_core.documents.sending import settle_sending
from crm_core.leads import LEADS
from crm_core.notifications import notify
from crm_core.timeline import TIMELINE
from storage import Tx

_RANK = {
    MessageState.QUEUED: 0,
    MessageState.SENDING: 1,
    MessageState.SENT: 2,
    MessageState.FAILED: 3,
    MessageState.CANCELLED: 3,
    MessageState.DELIVERED: 4,
    MessageState.READ: 5,
}


def apply_facts(tx: Tx, connector: str, facts: DeliveryFacts) -> str | None:
    """A channel's report about an earlier message; returns the lead, None when the message is not ours."""
    row = tx.get(OUTBOX, facts.outbound_id) if facts.outbound_id else None
    if row is None and facts.external_id:
        row = tx.first(OUTBOX, {"connector": connector, "external_id": facts.external_id})
    if row is None:
        return None
    apply_state(tx, row, facts.state, facts.error)
    return row.lead_id


def apply_state(tx: Tx, row: OutboxMessage, state: MessageState, error: str | None = None) -> OutboxMessage:
    """Move the message to a later state, on its outbox row and on the timeline alike."""
    if _RANK[state] <= _RANK[row.state]:
        return row
    row = tx.update(OUTBOX, row, state=state, error=error, pending=False)
    on_outbox_change(tx, row)
    return row


def on_outbox_change(tx: Tx, row: OutboxMessage) -> None:
    """Show the state of an outbox row on the timeline; the owner learns of a failure."""
    item = tx.first(TIMELINE, {"outbound_id": row.id})
    if item is None:
        return
    changed = tx.update(TIMELINE, item, state=row.state, error=row.error, message_id=row.external_id or item.message_id)
    lead = tx.get(LEADS, row.lead_id) if row.lead_id else None
    deal = tx.get(DEALS, item.deal_id) if item.deal_id else None
    owner = lead.owner_id if lead else deal.owner_id if deal else None
    owners = (owner, item.author_id)
    data = {"state": row.state, "deal_id": item.deal_id}
    tell(tx, "timeline", item.id, "state", lead_id=item.lead_id, owners=owners, data=data)
    if document_id := item.data.get("document_id"):
        settle_sending(tx, document_id, row.id, row.state, row.error)
    if row.state is MessageState.FAILED and item.state != MessageState.FAILED and (who := item.author_id or owner):
        text = f"Сообщение не отправлено: {row.error or ''}"
        notify(tx, who, "message_failed", text, lead_id=changed.lead_id, deal_id=changed.deal_id)
