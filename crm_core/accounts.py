"""Sessions and API tokens. Only digests are stored; the secret itself is shown once, to its owner."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from crm_core.access import check
from crm_core.actor import Actor
from crm_core.audit import record
from crm_core.errors import Invalid
from crm_core.rights import Action, Rights
from crm_core.users import USERS, User, actor_for
from storage import Collection, Entity, Index, Lt, ReadTx, Tx

SESSION_LIFE = timedelta(days=14)


class Session(Entity, frozen=True, kw_only=True):
    """`id` is the digest of the cookie."""

    user_id: str
    csrf: str
    created_at: datetime
    expires_at: datetime


class ApiToken(Entity, frozen=True, kw_only=True):
    """`id` is the digest of the token."""

    name: str
    role: str
    active: bool = True
    created_at: datetime


SESSIONS = Collection("sessions", Session, [Index("user_id"), Index("expires_at")])
TOKENS = Collection("tokens", ApiToken, [Index("name")])


def digest(secret: str) -> str:
    """What is stored instead of a secret of 128 bits of chance or more."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def open_session(tx: Tx, user: User, secret: str, csrf: str) -> Session:
    """Remember a fresh sign-in; old sessions of the user are swept."""
    for old in tx.find(SESSIONS, {"expires_at": Lt(tx.now)}, limit=100):
        tx.delete(SESSIONS, old)
    return tx.insert(
        SESSIONS,
        Session(id=digest(secret), user_id=user.id, csrf=csrf, created_at=tx.now, expires_at=tx.now + SESSION_LIFE),
    )


def session_user(tx: ReadTx, secret: str, rights: Rights) -> tuple[Session, User, Actor] | None:
    """Who is behind this cookie; None when it is unknown or expired or the employee was disabled."""
    session = tx.get(SESSIONS, digest(secret))
    if session is None or session.expires_at <= tx.now:
        return None
    user = tx.get(USERS, session.user_id)
    if user is None or not user.active:
        return None
    return session, user, actor_for(tx, user, rights)


def close_session(tx: Tx, secret: str) -> None:
    session = tx.get(SESSIONS, digest(secret))
    if session is not None:
        tx.delete(SESSIONS, session)


def close_sessions_of(tx: Tx, user_id: str) -> None:
    """After a password change or when an employee is disabled."""
    for session in tx.find(SESSIONS, {"user_id": user_id}):
        tx.delete(SESSIONS, session)


def create_token(tx: Tx, actor: Actor, name: str, role: str, secret: str) -> ApiToken:
    """Register a token that acts with the rights of a role."""
    check(actor, "token", Action.MANAGE)
    if role not in actor.rights.grants and not actor.is_system:
        raise Invalid({"role": f"Роли «{role}» нет; есть {', '.join(sorted(actor.rights.grants))}"})
    token = tx.insert(TOKENS, ApiToken(id=digest(secret), name=name, role=role, created_at=tx.now))
    record(tx, actor, "token", token.id, "created", {"name": (None, name), "role": (None, role)})
    return token


def token_actor(tx: ReadTx, secret: str, rights: Rights) -> Actor | None:
    """The actor behind an API token."""
    token = tx.get(TOKENS, digest(secret))
    if token is None or not token.active:
        return None
    return Actor(id=None, name=token.name, roles=frozenset({token.role}), rights=rights)
