"""The command line as an administrator uses it: what it prints, what it leaves, how it exits."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from crm_core.accounts import TOKENS, digest, open_session, session_user
from crm_core.audit import AUDIT
from crm_core.users import User, by_email
from firstline.commands.check import TEMPLATE
from firstline.opening import opened
from firstline.settings import load_settings
from storage import Store
from tests.conftest import free_port
from tests.unit.firstline.builders import add_anna, process, run, written
from web.passwords import verify_password

T = TypeVar("T")
SETTINGS = load_settings(None, {})
ROOT = Path(__file__).resolve().parents[3]


def inside(data: Path, look: Callable[[Store], Coroutine[object, object, T]]) -> T:
    """What `look` finds in the store of a data folder."""

    async def opened_look() -> T:
        async with opened(SETTINGS, data) as store:
            return await look(store)

    return asyncio.run(opened_look())


def found(data: Path, email: str) -> User | None:
    return inside(data, lambda store: store.read(by_email, email))


def fits(user: User, password: str) -> bool:
    return asyncio.run(verify_password(user.password_hash, password))


# check and init


def test_check_says_that_all_is_in_order() -> None:
    result = run("check")
    assert (result.exit_code, result.output) == (0, "Настройки в порядке; каналы: site; очереди: first-line.\n")


def test_check_lists_every_mistake_on_a_line_of_its_own(tmp_path: Path) -> None:
    config = written(tmp_path, '[server]\nprot = 1\n[connectors.site]\ntype = "form"\norgins = []\n')
    result = run("check", "--config", config)
    assert result.exit_code == 2
    assert result.output.splitlines() == [
        "server.prot: такого ключа нет; возможно, port",
        "connectors.site.orgins: такого ключа нет; возможно, origins",
        "Ошибок: 2",
    ]


def test_options_are_taken_before_the_command_too(tmp_path: Path) -> None:
    config = written(tmp_path, "[server]\nprot = 1\n")
    assert run("--config", config, "check").exit_code == 2


def test_what_init_writes_passes_check(tmp_path: Path) -> None:
    result = run("init", tmp_path / "new" / "company")
    assert result.exit_code == 0
    assert run("check", "--config", tmp_path / "new" / "company" / "firstline.toml").exit_code == 0


def test_init_never_overwrites(tmp_path: Path) -> None:
    config = written(tmp_path, "# наше\n")
    result = run("init", tmp_path)
    assert result.exit_code == 1
    assert "уже есть" in result.stderr
    assert config.read_text("utf-8") == "# наше\n"


def test_every_key_that_init_explains_is_right_when_switched_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMI_SECRET", "x")
    monkeypatch.setenv("MAIL_PASSWORD", "y")
    monkeypatch.setenv("ALERT_BOT_TOKEN", "z")
    monkeypatch.setenv("ONEC_PASSWORD", "длинный пароль")
    monkeypatch.setenv("WEBHOOK_SECRET", "шестнадцать знаков")
    written(tmp_path, '[2028]\ndays_off = ["2028-03-15"]\n', "holidays-2028.toml")
    switched = re.sub(r"(?m)^#(?=[^ \n])", "", TEMPLATE.read_text("utf-8"))
    assert "[connectors.sales-mail]" in switched.splitlines()
    result = run("check", "--config", written(tmp_path, switched))
    assert (result.exit_code, result.output.splitlines()[1:]) == (0, [])


# people and tokens


def test_a_short_password_is_refused(data: Path) -> None:
    result = run("user", "add", "a@x.ru", "--name", "А", "--role", "ops", "--password-stdin", "--data", data, typed="1")
    assert (result.exit_code, "короче 8 знаков" in result.stderr) == (2, True)


def test_a_user_is_added_with_the_typed_password(data: Path) -> None:
    result = run(
        "user", "add", "Anna@Example.ru", "--name", "Анна", "--role", "first_line,consultant", "--extension", "101",
        "--password-stdin", "--data", data, typed="длинный пароль\n",
    )  # fmt: skip
    assert (result.exit_code, result.output) == (0, "Добавлен сотрудник anna@example.ru.\n")
    user = found(data, "anna@example.ru")
    assert user is not None
    assert (user.roles, user.extension) == (("first_line", "consultant"), "101")
    assert fits(user, "длинный пароль")


def test_without_a_typed_password_one_is_made_and_shown_once(data: Path) -> None:
    shown = add_anna(data).output.splitlines()[-1].removeprefix("Пароль: ")
    user = found(data, "anna@example.ru")
    assert user is not None
    assert len(shown) >= 16
    assert fits(user, shown)


def test_the_list_shows_everybody(data: Path) -> None:
    assert run("user", "list", "--data", data).stdout == ""
    add_anna(data)
    assert run("user", "list", "--data", data).output.split("\t") == [
        "anna@example.ru", "Анна Иванова", "first_line,consultant", "—", "работает\n",
    ]  # fmt: skip


def test_a_disabled_user_is_signed_out_at_once(data: Path) -> None:
    add_anna(data)
    user = found(data, "anna@example.ru")
    assert user is not None
    inside(data, lambda store: store.write(open_session, user, "cookie", "csrf"))
    signed_in = partial(session_user, secret="cookie", rights=SETTINGS.company.rights)
    assert inside(data, lambda store: store.read(signed_in)) is not None
    assert run("user", "disable", "anna@example.ru", "--data", data).exit_code == 0
    assert inside(data, lambda store: store.read(signed_in)) is None
    assert "отключён" in run("user", "list", "--data", data).output


def test_what_the_command_line_does_is_in_the_audit_trail(data: Path) -> None:
    add_anna(data)
    run("user", "disable", "anna@example.ru", "--data", data)
    trail = inside(data, lambda store: store.read(lambda tx: tx.find(AUDIT, sort="at")))
    assert [(entry.actor, entry.action) for entry in trail] == [
        ("Командная строка", "created"), ("Командная строка", "updated"),
    ]  # fmt: skip


MISTAKES: list[tuple[list[str], int, str]] = [
    (["user", "add", "b@x.ru", "--name", "Б", "--role", "frist_line"], 2, "роли frist_line нет; возможно, first_line"),
    (["user", "add", "b@x.ru", "--name", "Б", "--role", ","], 2, "не названа роль"),
    (["user", "add", "кто-то", "--name", "Б", "--role", "ops"], 2, "Укажите адрес электронной почты"),
    (["user", "add", "anna@example.ru", "--name", "Б", "--role", "ops"], 1, "с таким адресом уже есть"),
    (["user", "add", "b@x.ru", "--name", "Б", "--role", "ops", "--extension", "101"], 1, "номер 101 уже"),
    (["user", "add", "b@x.ru", "--name", "Б"], 2, "не хватает: --role"),
    (["user", "add", "b@x.ru", "--nme", "Б"], 2, "нет параметра --nme; возможно, --name"),
    (["user", "add"], 2, "не хватает: EMAIL"),
    (["user", "disable", "nobody@x.ru"], 1, "Сотрудника с таким адресом нет"),
    (["user", "delete"], 2, "нет команды delete; есть: add, disable, list"),
    (["user", "list", "all"], 2, "лишнее"),
    (["token", "create", "x", "--role", "robot"], 2, "роли robot нет"),
    (["token", "create", "x", "--role"], 2, "--role: нужно значение"),
    (["chek"], 2, "нет команды chek; возможно, check"),
    (["serve", "--port", "http"], 2, "--port: значение не подходит"),
    (["serve", "--role", "web"], 2, "MongoDB и NATS"),
    (["serve", "--role", "wbe"], 2, "части wbe нет; возможно, web"),
    (["backup", "copy.zip"], 2, ".tar.gz"),
    (["backup", "no/such/folder/copy.tar"], 1, "папки no/such/folder нет"),
    (["restore", "copy.tar"], 1, "файла copy.tar нет"),
    (["check", "--config", "none.toml"], 2, "такого файла нет"),
    (["user", "list", "--config", "none.toml"], 2, "none.toml: такого файла нет"),
]


@pytest.mark.parametrize(("arguments", "code", "told"), MISTAKES, ids=[" ".join(case[0]) for case in MISTAKES])
def test_a_mistake_is_one_line_and_the_right_exit_code(
    data: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, told: str
) -> None:
    monkeypatch.chdir(data.parent)
    assert add_anna(data, "--extension", "101").exit_code == 0
    result = run(*arguments)
    assert result.exit_code == code
    assert told in result.output
    if arguments[0] != "check":
        assert (result.stdout, len(result.stderr.splitlines())) == ("", 1)


def test_a_token_is_alone_on_standard_output_and_only_its_digest_is_kept(data: Path) -> None:
    result = run("token", "create", "Сайт", "--role", "first_line", "--data", data)
    assert result.exit_code == 0
    secret = result.stdout.strip()
    assert re.fullmatch(r"fl_[\w-]{43}\n", result.stdout)
    token = inside(data, lambda store: store.read(lambda tx: tx.get(TOKENS, digest(secret))))
    assert token is not None
    assert (token.name, token.role) == ("Сайт", "first_line")
    assert secret.encode() not in (data / "firstline.db").read_bytes()


# doctor


def test_doctor_finds_a_healthy_hub_healthy(filled: Path) -> None:
    result = run("doctor", "--data", filled)
    assert result.exit_code == 0
    assert all(line.startswith("✓") for line in result.output.splitlines())
    assert "хранилище: записей" in result.output


def test_doctor_says_in_words_which_channel_and_what_is_wrong(data: Path, tmp_path: Path) -> None:
    text = f"""
[connectors.phone]
type = "asterisk"
host = "127.0.0.1"
port = {free_port()}
username = "firstline"
secret = "x"
[connectors.off]
type = "asterisk"
username = "firstline"
secret = "x"
enabled = false
"""
    result = run("doctor", "--data", data, "--config", written(tmp_path, text))
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert [line[0] for line in lines] == ["✓", "✓", "✗", "✓"]
    assert lines[2].startswith("✗ phone: ")
    assert "Traceback" not in result.output


def test_doctor_notices_a_store_that_cannot_be_read(filled: Path) -> None:
    (filled / "firstline.db").write_bytes(b"not a database" * 1000)
    for leftover in filled.glob("firstline.db-*"):
        leftover.unlink()
    result = run("doctor", "--data", filled)
    assert result.exit_code == 1
    assert any(line.startswith("✗ хранилище") for line in result.output.splitlines())


# the real program


def test_the_program_runs_as_a_process_with_the_documented_exit_codes(tmp_path: Path) -> None:
    assert process("check").returncode == 0
    wrong = process("check", "--config", str(tmp_path / "none.toml"))
    assert (wrong.returncode, wrong.stderr) == (2, "")
    failed = process("restore", str(tmp_path / "none.tar"), "--data", str(tmp_path / "d"))
    assert (failed.returncode, failed.stdout, len(failed.stderr.splitlines())) == (1, "", 1)
    assert process("--help").stdout.startswith("Вызов:")
    assert "показать эту справку" in process("user", "add", "--help").stdout


async def test_a_second_hub_on_the_same_data_is_refused_with_the_number_of_the_first(data: Path) -> None:
    async with opened(SETTINGS, data, guest=False):
        result = await asyncio.to_thread(process, "serve", "--port", "0", "--data", str(data))
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        f"Ошибка: с этой папкой данных уже работает процесс {os.getpid()}; остановите его"
    ]


def test_a_port_that_is_taken_is_said_in_words(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = process("serve", "--port", str(taken.getsockname()[1]), "--data", str(data))
    assert result.returncode == 1
    assert "порт занят другим процессом" in result.stderr.splitlines()[-1]


# reindex


def test_reindex_builds_the_index_and_says_how_large_it_is(tmp_path: Path) -> None:
    result = run("reindex", "--data", str(tmp_path))
    assert (result.exit_code, result.output) == (0, "Поисковый указатель построен, записей: 0\n")
