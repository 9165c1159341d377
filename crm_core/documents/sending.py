"""Documents that went to the customer: begun with the letter, settled by what became of it.

The letter itself is an outbox row with an item on the timeline; here stands what the document knows of it. It counts as
sent when the channel took the letter, not when somebody pressed a button.
"""

from __future__ import annotations

from msgspec.structs import replace

from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.documents.issued import (
    DOCUMENTS,
    Document,
    DocumentState,
    Sending,
    announce,
    check_alive,
    get_document,
)
from crm_core.errors import Conflict
from crm_core.rights import Action
from storage import Tx

MAX_SENDINGS = 50
"""The latest ones are kept with the document; the timeline has them all."""
UNDERWAY = frozenset({"queued", "sending"})
GONE = frozenset({"sent", "delivered", "read"})


def begin_sending(tx: Tx, actor: Actor, document_id: str, outbound_id: str, to: str, format: str) -> Document:
    """Note a letter with this document that is in the outbox now. `Conflict` while one to the same address waits."""
    document = get_document(tx, actor, document_id, Action.UPDATE)
    check_alive(document)
    if any(each.to == to and each.state in UNDERWAY for each in document.sendings):
        raise Conflict(f"Документ {document.number} уже отправляется на {to}: дождитесь, чем это кончится")
    sending = Sending(
        outbound_id=outbound_id, to=to, format=format, revision=len(document.files), by=actor.id, at=tx.now
    )
    changed = tx.update(DOCUMENTS, document, sendings=(*document.sendings, sending)[-MAX_SENDINGS:])
    record(tx, actor, "document", document.id, "sending", {"sent_to": (document.sent_to, to)})
    announce(tx, changed, "updated")
    return changed


def settle_sending(tx: Tx, document_id: str, outbound_id: str, state: str, error: str | None) -> None:
    """What the outbox says about the letter now. A document that was printed anew since is not sent thereby."""
    document = tx.get(DOCUMENTS, document_id)
    if document is None:
        return
    found = next((each for each in document.sendings if each.outbound_id == outbound_id), None)
    if found is None or (found.state, found.error) == (state, error):
        return
    settled = replace(found, state=state, error=error, sent_at=found.sent_at or (tx.now if state in GONE else None))
    changes: dict[str, object] = {
        "sendings": tuple(settled if each is found else each for each in document.sendings),
    }
    if state in GONE and document.state is DocumentState.READY and found.revision == len(document.files):
        changes |= {"state": DocumentState.SENT, "sent_at": tx.now, "sent_to": found.to}
    changed = tx.update(DOCUMENTS, document, **changes)
    announce(tx, changed, "sent" if changed.state is not document.state else "updated")
