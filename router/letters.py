"""Documents as letters: what is proposed, and the letter on the timeline and in the outbox, in one transaction.

A document goes to an address that is typed or proposed, through one of our mailboxes, with a thread of its own. It is
sent when the mailbox says so (`deliveries.py`); a letter that failed can be sent again, also to another
address.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from connectors.contract import Attachment, Outbound
from connectors.outbox import enqueue
from crm_core import companies, normalize
from crm_core.access import may
from crm_core.actor import Actor
from crm_core.company import ConnectorInfo
from crm_core.deals import DEALS
from crm_core.documents.issued import Document, check_alive, get_document
from crm_core.documents.sending import begin_sending
from crm_core.documents.words import date_text
from crm_core.errors import Invalid
from crm_core.people import find_person
from crm_core.rights import Action
from crm_core.timeline import add
from crm_core.users import USERS
from distribution.desk import Desk
from router.outgoing import sent_item
from storage import ReadTx, Tx

MAX_TEXT = 50_000
MAX_SUBJECT = 300


@dataclass(frozen=True, slots=True)
class Address:
    """Where a document may go."""

    email: str
    name: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """A letter as it is proposed."""

    addresses: tuple[Address, ...]
    mailboxes: tuple[ConnectorInfo, ...]
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter as it is wanted; None: as proposed."""

    to: str
    subject: str | None = None
    text: str | None = None
    mailbox: str | None = None


def propose(tx: ReadTx, actor: Actor, desk: Desk, document_id: str) -> Proposal:
    """Addresses of the customer's people that the actor may read, our mailboxes, and the words of the company."""
    document = get_document(tx, actor, document_id)
    found = {each.email: each for each in reversed([*_addresses(tx, actor, document)])}
    return Proposal(tuple(reversed(found.values())), _mailboxes(desk), *_words(desk, document))


def _addresses(tx: ReadTx, actor: Actor, document: Document) -> Iterator[Address]:
    deal = tx.get(DEALS, document.deal_id) if document.deal_id else None
    people = [document.person_id, *(party.person_id for party in deal.parties)] if deal else [document.person_id]
    if may(actor, "contact", Action.READ):
        for person in filter(None, (find_person(tx, id) for id in people if id)):
            yield from (Address(email, person.name or "") for email in person.emails)
    company = companies.find_company(tx, document.company_id)
    if company is not None and may(actor, "company", Action.READ, companies.facts(company)):
        yield from (Address(email, company.name) for email in company.emails)


def _mailboxes(desk: Desk) -> tuple[ConnectorInfo, ...]:
    return tuple(info for info in desk.company.connectors.values() if info.can_reply and info.channel == "email")


def _words(desk: Desk, document: Document) -> tuple[str, str]:
    """Subject and text."""
    texts, firm = desk.company.texts, desk.company.firm
    values = {"title": document.title, "number": document.number, "date": date_text(document.day), "firm": firm.name}
    return texts.document_subject.format(**values), texts.document_text.format(**values).strip()


def check_letter(tx: ReadTx, actor: Actor, desk: Desk, document_id: str, letter: Letter) -> Document:
    """The document, when this letter with it can be sent: to be asked before its file is made. `Invalid` by field,
    `Conflict` when it is void."""
    document = get_document(tx, actor, document_id, Action.UPDATE)
    check_alive(document)
    _checked(desk, document, letter)
    return document


def send_document(
    tx: Tx, actor: Actor, desk: Desk, document_id: str, letter: Letter, file: Attachment, format: str
) -> Document:
    """Into the outbox, onto the timeline of its deal, lead and contact, and noted on the document. Refusals as in
    `check_letter`; `Conflict` also when it is on its way to this address already."""
    document = get_document(tx, actor, document_id, Action.UPDATE)
    info, to, subject, text = _checked(desk, document, letter)
    user = tx.get(USERS, actor.id) if actor.id else None
    signature = f"\n\n-- \n{user.signature}" if user and user.signature else ""
    outbound = Outbound(
        id=tx.new_id("out_"),
        connector=info.name,
        recipient=to,
        text=text + signature,
        subject=subject,
        attachments=(file,),
        author=actor.name if actor.id else None,
        created_at=tx.now,
    )
    changed = begin_sending(tx, actor, document_id, outbound.id, to, format)
    enqueue(tx, outbound)
    deal = tx.get(DEALS, document.deal_id) if document.deal_id else None
    links = {name: getattr(document, name) for name in ("lead_id", "deal_id", "person_id")}
    item = sent_item(tx, actor, info, outbound, data={"document_id": document.id}, **links)
    add(tx, item, owners=(deal.owner_id if deal else None, actor.id))
    if deal is not None:
        tx.update(DEALS, deal, last_activity_at=tx.now)
    return changed


def _checked(desk: Desk, document: Document, letter: Letter) -> tuple[ConnectorInfo, str, str, str]:
    """Mailbox, address, subject and text. `Invalid` by field."""
    subject, text = _words(desk, document)
    subject = subject if letter.subject is None else " ".join(letter.subject.split())
    text = text if letter.text is None else letter.text.strip()
    to, info = normalize.email(letter.to), _mailbox(desk, letter.mailbox)
    wrong = {}
    if to is None:
        wrong["to"] = "Не похоже на адрес электронной почты: нужен вид ivan@example.ru"
    if not subject or len(subject) > MAX_SUBJECT:
        wrong["subject"] = f"Укажите тему письма, не длиннее {MAX_SUBJECT} знаков"
    if not text or len(text) > MAX_TEXT:
        wrong["text"] = f"Напишите текст письма, не длиннее {MAX_TEXT} знаков"
    if isinstance(info, str):
        wrong["connector"] = info
    if wrong or to is None or isinstance(info, str):
        raise Invalid(wrong)
    return info, to, subject, text


def _mailbox(desk: Desk, wanted: str | None) -> ConnectorInfo | str:
    """The mailbox, or what is wrong."""
    able = _mailboxes(desk)
    if not able:
        return "Ни один почтовый ящик не подключён или у него не настроена отправка: добавьте соединитель email с smtp"
    if wanted is None:
        return able[0]
    names = ", ".join(info.name for info in able)
    found = next((info for info in able if info.name == wanted), None)
    return found or f"Через «{wanted}» письмо не отправить; можно: {names}"
