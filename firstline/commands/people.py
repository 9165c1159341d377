"""`user` and `token`: people and programs that may use the hub. Safe beside a running hub."""

from __future__ import annotations

import secrets
import sys

import click

from crm_core.accounts import close_sessions_of, create_token
from crm_core.actor import Actor
from crm_core.company import Company
from crm_core.errors import Conflict, Missing
from crm_core.users import USERS, User, by_email, by_extension, create_user, update_user
from firstline.commands.common import Target, Wrong, blocking, options
from firstline.opening import console, in_force, opened
from firstline.problems import nearest
from storage import ReadTx, Tx
from web.passwords import hash_password

TOKEN_PREFIX = "fl_"  # noqa: S105
MIN_PASSWORD = 8


@click.group(short_help="сотрудники")
def user() -> None:
    """Сотрудники: добавить, показать, отключить."""


@user.command(short_help="добавить сотрудника")
@click.argument("email")
@click.option("--name", required=True, help="имя и фамилия")
@click.option("--role", required=True, help="роль или несколько через запятую")
@click.option("--extension", help="внутренний номер телефона")
@click.option("--password-stdin", is_flag=True, help="прочитать пароль из стандартного ввода")
@options
@blocking
async def add(hub: Target, email: str, name: str, role: str, extension: str | None, password_stdin: bool) -> None:
    """Добавляет сотрудника. Без --password-stdin придумывает пароль и показывает его один раз."""
    settings = hub.settings()
    password = _read_password() if password_stdin else secrets.token_urlsafe(12)
    hashed = await hash_password(password)
    async with opened(settings, hub.data) as store:
        settings = await in_force(store, settings)
        roles = _roles(role, settings.company)
        await store.write(_add, console(settings.company), email, name, roles, hashed, extension)
    click.echo(f"Добавлен сотрудник {email.strip().lower()}.")
    if not password_stdin:
        click.echo(f"Пароль: {password}")


def _add(
    tx: Tx, actor: Actor, email: str, name: str, roles: tuple[str, ...], hashed: str, extension: str | None
) -> None:
    taken = by_extension(tx, extension)
    if taken is not None:
        raise Conflict(f"внутренний номер {extension} уже у сотрудника {taken.email}")
    create_user(tx, actor, email=email, name=name, roles=roles, password_hash=hashed, extension=extension)


def _read_password() -> str:
    password = sys.stdin.readline().rstrip("\r\n")
    if len(password) < MIN_PASSWORD:
        raise Wrong(f"пароль короче {MIN_PASSWORD} знаков; придумайте длиннее")
    return password


def _roles(text: str, company: Company) -> tuple[str, ...]:
    roles = tuple(dict.fromkeys(role.strip() for role in text.split(",") if role.strip()))
    for role in roles:
        if role not in company.roles:
            raise Wrong(f"роли {role} нет; {nearest(role, company.roles)}")
    if not roles:
        raise Wrong(f"не названа роль; есть: {', '.join(company.roles)}")
    return roles


@user.command("list", short_help="показать сотрудников")
@options
@blocking
async def list_users(hub: Target) -> None:
    """Показывает сотрудников: почта, имя, роли, внутренний номер, включён ли."""
    settings = hub.settings()
    async with opened(settings, hub.data) as store:
        users = await store.read(_by_name)
    for each in users:
        state = "работает" if each.active else "отключён"
        click.echo("\t".join((each.email, each.name, ",".join(each.roles), each.extension or "—", state)))
    if not users:
        click.echo("Сотрудников пока нет; добавьте: firstline user add", err=True)


def _by_name(tx: ReadTx) -> list[User]:
    return tx.find(USERS, sort="name")


@user.command(short_help="отключить сотрудника")
@click.argument("email")
@options
@blocking
async def disable(hub: Target, email: str) -> None:
    """Отключает сотрудника: вход закрыт, открытые сеансы завершены, новые обращения ему не идут."""
    settings = hub.settings()
    async with opened(settings, hub.data) as store:
        await store.write(_disable, console(settings.company), email)
    click.echo(f"Сотрудник {email.strip().lower()} отключён.")


def _disable(tx: Tx, actor: Actor, email: str) -> None:
    found = by_email(tx, email)
    if found is None:
        raise Missing("Сотрудника с таким адресом нет; список показывает firstline user list")
    update_user(tx, actor, found.id, {"active": False})
    close_sessions_of(tx, found.id)


@click.group(short_help="ключи API")
def token() -> None:
    """Ключи для программ, которые обращаются к API."""


@token.command(short_help="создать ключ API")
@click.argument("name")
@click.option("--role", default="admin", show_default=True, help="роль, с правами которой действует ключ")
@options
@blocking
async def create(hub: Target, name: str, role: str) -> None:
    """Создаёт ключ и печатает его один раз; хранится только отпечаток."""
    settings = hub.settings()
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    async with opened(settings, hub.data) as store:
        settings = await in_force(store, settings)
        if role not in settings.company.roles:
            raise Wrong(f"роли {role} нет; {nearest(role, settings.company.roles)}")
        await store.write(create_token, console(settings.company), name, role, secret)
    click.echo(secret)
