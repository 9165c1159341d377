"""Contacts that no seller should see: robots, bounces, spam, the block list. They become no lead and get no answer."""

from __future__ import annotations

from connectors.contract import Inbound, MessageState, RobotKind
from connectors.outbox import OUTBOX
from crm_core.blocklist import BLOCKED, ENTRIES
from crm_core.decisions import explain
from crm_core.people import IdentityKind, identity_id
from crm_core.timeline import TIMELINE
from router import deliveries, normalize
from router.context import Contact, Outcome
from router.sources import routing_rule
from storage import In, Tx

_WORDS = {
    RobotKind.AUTO_REPLY: "Автоответ: лид не создаётся, отвечать не нужно",
    RobotKind.BOUNCE: "Письмо о недоставке",
    RobotKind.MAILING_LIST: "Рассылка: лид не создаётся",
    RobotKind.SPAM: "Спам по отметке почтового сервера",
    RobotKind.OWN: "Собственное письмо",
}
_FORM_ROBOTS = {
    "honeypot": "Робот: заполнено скрытое поле формы",
    "too_fast": "Робот: форма заполнена быстрее, чем это может человек",
}
SUSPICIONS = {"links": "Похоже на спам: в комментарии много ссылок"}
"""Not sure enough to be ignored: the contact becomes a lead, in the stage for spam, where people find it."""


def screen(contact: Contact) -> Outcome | None:
    """Tell robots and blocked senders apart; None when this is a person to be served."""
    inbound = contact.inbound
    if inbound.mail is not None and inbound.mail.robot is not None:
        return _robot_mail(contact, inbound.mail.robot)
    robot = inbound.fields.get("_robot")
    if robot and robot not in SUSPICIONS:
        return _ignore(contact, "spam", _FORM_ROBOTS.get(robot, f"Робот: {robot}"))
    return screen_by_rules(contact)


def screen_by_rules(contact: Contact) -> Outcome | None:
    """What the company itself ignores, letters and calls alike: the block list and the routing rules."""
    if blocked := blocked_by(contact.tx, contact.inbound):
        return _ignore(contact, "blocked", f"Отправитель в чёрном списке: {blocked}")
    rule = routing_rule(contact.desk.company, contact.inbound)
    if rule is not None and rule.queue is None:
        return _ignore(contact, "routing_rule", f"Отсеяно правилом «{rule.title}»")
    return None


def blocked_by(tx: Tx, inbound: Inbound) -> str | None:
    """The reason of the block list entry that fits one of the sender's identities or his mail domain."""
    if not tx.last_number(ENTRIES):
        return None
    keys = []
    for kind, value in normalize.identities(inbound.sender):
        keys.append(identity_id(kind, value))
        if kind is IdentityKind.EMAIL:
            keys.append("domain:" + value.rpartition("@")[2])
    entry = tx.first(BLOCKED, {"id": In(keys)}) if keys else None
    return entry.reason if entry else None


def _robot_mail(contact: Contact, robot: RobotKind) -> Outcome:
    mail = contact.inbound.mail
    assert mail is not None
    if robot is RobotKind.BOUNCE and mail.bounced_message_id:
        _mark_bounced(contact, mail.bounced_message_id)
    return _ignore(contact, f"robot_{robot}", f"{_WORDS[robot]} ({mail.robot_reason or 'по заголовкам'})")


def _mark_bounced(contact: Contact, message_id: str) -> None:
    """The letter that bounced shows it on the timeline, so the seller calls instead of waiting."""
    tx = contact.tx
    item = tx.first(TIMELINE, {"message_id": message_id})
    row = tx.get(OUTBOX, item.outbound_id) if item is not None and item.outbound_id else None
    if row is None:
        row = tx.first(OUTBOX, {"connector": contact.inbound.connector, "external_id": message_id})
    if row is not None:
        text = contact.inbound.text.strip().splitlines()
        reason = next((line.strip() for line in text if line.strip()), "адресат не принял письмо")
        deliveries.apply_state(tx, row, MessageState.FAILED, f"Письмо не доставлено: {reason[:300]}")


def _ignore(contact: Contact, rule: str, text: str) -> Outcome:
    explain(contact.tx, rule, text, inbound_id=contact.inbound_id, steps=tuple(contact.steps))
    return Outcome(rule=rule, ignored=True)
