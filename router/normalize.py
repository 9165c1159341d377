"""What identifies a sender, in the one notation that the core keeps: see `crm_core/normalize.py`."""

from __future__ import annotations

from connectors.contract import Sender
from crm_core.normalize import EXTENSION, dialable, email, name, phone, phones
from crm_core.people import IdentityKind

__all__ = ["EXTENSION", "dialable", "email", "identities", "name", "phone", "phones"]


def identities(sender: Sender) -> list[tuple[IdentityKind, str]]:
    """Everything by which this sender can be recognised, strongest first, each once."""
    found: dict[tuple[IdentityKind, str], None] = {}
    for text in sender.phones:
        found |= dict.fromkeys((IdentityKind.PHONE, number) for number in phones(text))
    for text in sender.emails:
        if value := email(text):
            found[(IdentityKind.EMAIL, value)] = None
    for account in sender.messengers:
        found[(IdentityKind.MESSENGER, f"{account.network}:{account.id}")] = None
    return list(found)
