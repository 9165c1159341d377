"""Settings: what is written becomes typed values; what is wrong is named with its place and its mend."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from connectors.contract import Connector
from connectors.form.settings import FormSettings
from connectors.registry import PLANNED, REGISTRY
from crm_core.external import check_names
from distribution.queues import Strategy
from firstline.build_company import with_capabilities
from firstline.problems import ConfigError
from firstline.settings import load_settings
from tests.unit.firstline.builders import loaded, problems, written

SITE = '[connectors.site]\ntype = "form"\n'
MAIL = """
[connectors.mail]
type = "email"
address = "Sales@example.ru"
imap = { host = "imap.example.ru", username = "sales", password = "env:MAIL_PASSWORD" }
"""
PHONE = '[connectors.office-phone]\ntype = "asterisk"\nusername = "firstline"\nsecret = "file:secret.txt"\n'
ONEC = '[connectors.1c]\ntype = "onec"\nusername = "exchange"\npassword = "long password"\n'


def test_without_a_file_the_reference_company_runs_with_its_demo_form() -> None:
    settings = load_settings(None, {})
    site = settings.connectors["site"]
    assert isinstance(site, FormSettings)
    assert site.origins == ("*",)
    assert settings.server.public_url == "http://127.0.0.1:8080"
    assert settings.storage_url == "sqlite:firstline.db"
    assert settings.demo is not None
    assert [user.extension for user in settings.demo.users[:3]] == ["101", "102", "103"]
    assert settings.company.connectors["site"].channel == "form"


def test_a_company_of_its_own_has_no_demo_logins_and_no_demo_channels(tmp_path: Path) -> None:
    settings = loaded(tmp_path, '[company]\nname = "Ромашка"\n')
    assert (settings.demo, settings.connectors, settings.company_name) == (None, {}, "Ромашка")
    assert settings.company.stages[0].key == "new"


def test_every_key_of_a_queue_reaches_distribution(tmp_path: Path) -> None:
    queue = loaded(
        tmp_path,
        """
[workhours.night]
days = "mon-sun"
hours = "22:00-06:00"
[queues.sales]
title = "Продажи"
members = ["role:consultant", "department:equipment", "Anna@example.ru"]
strategy = "weighted"
sticky = false
accept_within = "1h30m"
capacity = 0
presence = "ignore"
calendar = "night"
escalate_after = "0"
heads = ["boss@example.ru"]
weights = { "Anna@example.ru" = 3 }
skills = ["region"]
""",
    ).queues["sales"]
    assert (queue.title, queue.strategy, queue.sticky) == ("Продажи", Strategy.WEIGHTED, False)
    assert queue.accept_within == timedelta(hours=1, minutes=30)
    assert (queue.capacity, queue.presence_required, queue.calendar) == (None, False, "night")
    assert queue.escalate_after == timedelta(0)
    assert (queue.heads, queue.weights, queue.skills) == (("boss@example.ru",), {"anna@example.ru": 3}, ("region",))


def test_a_single_key_changes_the_queue_of_the_preset_and_leaves_the_rest(tmp_path: Path) -> None:
    queue = loaded(tmp_path, "[queues.first-line]\ncapacity = 3\n").queues["first-line"]
    assert (queue.capacity, queue.members) == (3, ("role:first_line",))


def test_a_calendar_of_the_configuration_replaces_that_of_the_preset_whole(tmp_path: Path) -> None:
    week = '[workhours.office]\nweek = [{ days = "sat", hours = "12:00-13:00" }]\nholidays = "none"\n'
    assert loaded(tmp_path, week).company.calendars["office"].name == "office"


def test_company_keys_and_texts_override_the_preset(tmp_path: Path) -> None:
    text = """
[company]
timezone = "Asia/Yekaterinburg"
language = "en"
response_within = "5m"
callback_within = "1h"
[texts]
closed = "Ответим {next_open}"
[connectors.site]
type = "form"
"""
    settings = loaded(tmp_path, text)
    company = settings.company
    assert (company.timezone, company.language) == ("Asia/Yekaterinburg", "en")
    assert (company.response_within, company.callback_within) == (timedelta(minutes=5), timedelta(hours=1))
    assert company.texts.closed == "Ответим {next_open}"
    assert company.texts.closed_subject == "Мы получили ваше письмо"
    assert settings.connectors["site"].model_dump()["timezone"] == "Asia/Yekaterinburg"


def test_a_connector_takes_the_company_s_default_calendar(tmp_path: Path) -> None:
    text = '[company]\ndefault_calendar = "shop"\n[workhours.shop]\ndays = "sat"\nhours = "09:00-12:00"\n' + SITE
    assert loaded(tmp_path, text).connectors["site"].calendar == "shop"


def test_secrets_come_from_the_environment_and_from_files_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("амипароль\r\n", encoding="utf-8")
    settings = loaded(tmp_path, MAIL + PHONE, {"MAIL_PASSWORD": "почтовый"})
    assert settings.connectors["mail"].imap.password.get_secret_value() == "почтовый"  # type: ignore[attr-defined]
    assert settings.connectors["office-phone"].secret.get_secret_value() == "амипароль"  # type: ignore[attr-defined]
    assert "почтовый" not in repr(settings)


def test_the_environment_overrides_any_key_over_file_and_preset(tmp_path: Path) -> None:
    environ = {
        "FIRSTLINE_SERVER__PORT": "9000",
        "FIRSTLINE_COMPANY__NAME": "Лютик",
        "FIRSTLINE_QUEUES__FIRST_LINE__CAPACITY": "7",
        "FIRSTLINE_QUEUES__FIRST_LINE__STICKY": "false",
        "FIRSTLINE_CONNECTORS__OFFICE_PHONE__HOST": "pbx.local",
        "FIRSTLINE_CONNECTORS__OFFICE_PHONE__SECRET": "env:AMI",
        "FIRSTLINE_CONNECTORS__OFFICE_PHONE__USERNAME": "hub",
        "FIRSTLINE_CONNECTORS__NEW_SITE__TYPE": "form",
        "FIRSTLINE_CONNECTORS__NEW_SITE__ORIGINS": '["https://a.example", "https://b.example"]',
        "AMI": "[не TOML",
        "FIRSTLINE_PORT": "1",
        "PATH": "/bin",
    }
    text = '[server]\nport = 1000\n[connectors.office-phone]\ntype = "asterisk"\nsecret = "x"\nusername = "y"\n'
    settings = loaded(tmp_path, text, environ)
    assert (settings.server.port, settings.company_name) == (9000, "Лютик")
    queue = settings.queues["first-line"]
    assert (queue.capacity, queue.sticky) == (7, False)
    phone = settings.connectors["office-phone"].model_dump()
    assert (phone["host"], phone["secret"].get_secret_value(), phone["username"]) == ("pbx.local", "[не TOML", "hub")
    assert settings.connectors["new-site"].model_dump()["origins"] == ("https://a.example", "https://b.example")


def test_an_override_inside_a_nested_table_keeps_its_neighbours(tmp_path: Path) -> None:
    environ = {"MAIL_PASSWORD": "x", "FIRSTLINE_CONNECTORS__MAIL__IMAP__PORT": "1143"}
    imap = loaded(tmp_path, MAIL, environ).connectors["mail"].model_dump()["imap"]
    assert (imap["port"], imap["host"]) == (1143, "imap.example.ru")


def test_the_reference_company_can_be_changed_by_the_environment_alone() -> None:
    settings = load_settings(None, {"FIRSTLINE_CONNECTORS__SITE__RATE_LIMIT": "off"})
    assert settings.connectors["site"].model_dump()["rate_limit"] == "off"
    assert load_settings(None, {}).connectors["site"].model_dump()["rate_limit"] == "30/min"


def test_the_public_address_follows_the_port_unless_it_was_configured(tmp_path: Path) -> None:
    assert loaded(tmp_path, "").at(None, 9999).server.public_url == "http://127.0.0.1:9999"
    own = loaded(tmp_path, '[server]\npublic_url = "https://crm.example.ru/"\n')
    assert own.at("0.0.0.0", 9999).server.public_url == "https://crm.example.ru"
    assert loaded(tmp_path, '[server]\nhost = "0.0.0.0"\n').server.public_url == "http://127.0.0.1:8080"


def test_the_update_file_of_the_production_calendar_is_found_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "days.toml").write_text('[2028]\ndays_off = ["2028-03-15"]\n', encoding="utf-8")
    with_file = loaded(tmp_path, '[workhours_updates]\nfile = "days.toml"\n').company.calendar()
    without = loaded(tmp_path, "").company.calendar()
    assert without.is_working_day(date(2028, 3, 15))  # type: ignore[attr-defined]
    assert not with_file.is_working_day(date(2028, 3, 15))  # type: ignore[attr-defined]


CASES = [
    ("[serwer]\nport = 1", "serwer", "такого раздела нет", "возможно, server"),
    ("[stages]\na = 1", "stages", "такого раздела нет", "stages задаётся в наборе"),
    ("[server]\nprot = 1", "server.prot", "такого ключа нет", "возможно, port"),
    ('[server]\nport = "восемь"', "server.port", "нужно целое число", "8080"),
    ("[server]\nport = 70000", "server.port", "число слишком велико", "65535"),
    ("server = 5", "server", "нужна таблица ключей", "[server]"),
    ('[server]\npublic_url = "crm"', "server.public_url", "нужен адрес", "https://crm.example.ru"),
    ('[server]\ntrusted_proxies = ["прокси"]', "server.trusted_proxies[0]", "не адрес", "10.0.0.0/8"),
    ('[storage]\nurl = "mongodb://h/db"', "storage.url", "пока не поддерживается", "sqlite:firstline.db"),
    ('[storage]\nurl = "sqlite:/etc/x.db"', "storage.url", "имя файла", "sqlite:firstline.db"),
    ('[storage]\nurl = "sqlite:../x.db"', "storage.url", "имя файла", "sqlite:firstline.db"),
    ('[bus]\nurl = "nats://h"', "bus.url", "пока не поддерживается", "local:"),
    ('[company]\npreset = "equipmnt"', "company.preset", "такого набора нет", "возможно, equipment"),
    ('[company]\ntimezone = "Europe/Moskow"', "company.timezone", "нет часового пояса", "Europe/Moscow"),
    ('[company]\nlanguage = "de"', "company.language", "такого значения нет", "есть: en, ru"),
    ('[company]\nresponse_within = "1d"', "company.response_within", "не длительность", "часы"),
    ("[company]\nresponse_within = 15", "company.response_within", "длительность пишется текстом", "5m"),
    ('[company]\nnew_stage = "nwe"', "company.new_stage", "стадии nwe нет", "возможно, new"),
    ('[company]\nwork_stage = "spam"', "company.work_stage", "стадия spam другого рода", "open"),
    ('[company]\ndefault_calendar = "offise"', "company.default_calendar", "календаря offise нет", "возможно, office"),
    ('[workhours.office]\nhuors = "1"', "workhours.office.huors", "неизвестный ключ", "возможно, hours"),
    ('[workhours.office]\ndays = "mon-fri"\nhours = "19-10"', "workhours.office.hours", "не интервал", "10:00-19:00"),
    ('[workhours_updates]\nfile = "нет.toml"', "нет.toml", "файл не читается", ""),
    ("[queues]\nsales = 5", "queues.sales", "нужна таблица ключей", "{ ключ = значение }"),
    ("[queues.sales]\nmembers = []", "queues.sales.members", "список слишком короткий", "не меньше 1"),
    ("[queues.sales]", "queues.sales.members", "не хватает обязательного ключа", "добавьте members"),
    ('[queues.first-line]\nstrategy = "round"', "queues.first-line.strategy", "такого значения нет", "round-robin"),
    ('[queues.first-line]\nmembers = ["role:frist_line"]', "queues.first-line.members[0]", "роли", "first_line"),
    ('[queues.first-line]\nmembers = ["anna"]', "queues.first-line.members[0]", "непонятно, кто это", "role:РОЛЬ"),
    ('[queues.first-line]\nheads = ["department:x"]', "queues.first-line.heads[0]", "отдела x нет", "equipment"),
    ('[queues.first-line]\ncalendar = "ofice"', "queues.first-line.calendar", "календаря ofice нет", "office"),
    ("[queues.first-line]\ncapacity = -1", "queues.first-line.capacity", "число слишком мало", "не меньше 0"),
    ('[queues."первая линия"]\nmembers = ["a@b.ru"]', "queues.первая линия", "имя не годится", "латинские"),
    ("[connectors.site]", "connectors.site.type", "не сказано, какой это канал", "asterisk, email, form"),
    ("connectors = 1", "connectors", "нужна таблица ключей", "[connectors]"),
    ("[connectors]\nsite = 1", "connectors.site", "нужна таблица ключей", "[connectors.site]"),
    ('[connectors.x]\ntype = "forn"', "connectors.x.type", "канала forn нет", "возможно, form"),
    ('[connectors.x]\ntype = "telegram"', "connectors.x.type", "канал telegram пока не поддержан", "form"),
    (SITE + "orgins = []", "connectors.site.orgins", "такого ключа нет", "возможно, origins"),
    (SITE + 'origins = "*"', "connectors.site.origins", "нужен список", "квадратных скобках"),
    (SITE + 'origins = ["shop.example/x"]', "connectors.site.origins", "не адрес сайта", "https://shop.example"),
    (SITE + 'enabled = "может"', "connectors.site.enabled", "нужно да или нет", "true или false"),
    (SITE + 'queue = "frist-line"', "connectors.site.queue", "очереди frist-line нет", "возможно, first-line"),
    (SITE + 'calendar = "x"', "connectors.site.calendar", "календаря x нет", "есть: office"),
    (SITE + 'fields = [{ nam = "a" }]', "connectors.site.fields[0].nam", "такого ключа нет", "возможно, name"),
    (SITE + 'fields = [{ label = "a" }]', "connectors.site.fields[0].name", "не хватает", "добавьте name"),
    ('[connectors."a b"]\ntype = "form"', "connectors.a b", "имя не годится", "латинские"),
    (MAIL.replace("host =", "hots ="), "connectors.mail.imap.hots", "такого ключа нет", "возможно, host"),
    (MAIL + "since = 5", "connectors.mail.since", "нужна дата", "2026-12-31 или есть: all, now"),
    (MAIL, "connectors.mail.imap.password", "переменная окружения MAIL_PASSWORD не задана", "MAIL_PASSWORD"),
    (PHONE, "connectors.office-phone.secret", "нет такого файла", "проверьте путь"),
    (
        PHONE.replace("file:secret.txt", "x") + PHONE.replace("file:secret.txt", "x").replace("office-", "second-"),
        "connectors.second-phone",
        "источник 127.0.0.1:5038 уже занят",
        "он есть в connectors.office-phone",
    ),
    ('[texts]\nclosd = "x"', "texts.closd", "такого ключа нет", "возможно, closed"),
    ('[texts]\nclosed = "до {when}"', "texts.closed", "неизвестная подстановка", "{next_open}"),
    ('[texts]\nclosed = "до {"', "texts.closed", "неизвестная подстановка", "{next_open}"),
    ("[texts]\nclosed = 5", "texts.closed", "нужен текст", "кавычках"),
]


@pytest.mark.parametrize(("text", "place", "message", "mend"), CASES, ids=[case[1] for case in CASES])
def test_a_mistake_is_named_with_its_place_and_mend(
    tmp_path: Path, text: str, place: str, message: str, mend: str
) -> None:
    found = {problem.place: problem for problem in problems(tmp_path, text)}
    assert place in found
    assert message.lower() in found[place].message.lower()
    assert mend in f"{found[place].message}; {found[place].mend}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[server\nport = 1", "строка 1, столбец 8"),
        ("[server]\nport = 1\nport = 2\n", "строка 3"),
    ],
)
def test_a_file_that_is_no_toml_says_where(tmp_path: Path, text: str, message: str) -> None:
    (problem,) = problems(tmp_path, text)
    assert problem.place == "firstline.toml"
    assert message in problem.message


def test_a_missing_file_and_a_wrong_encoding_are_said_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="такого файла нет"):
        load_settings(tmp_path / "none.toml", {})
    path = tmp_path / "cp1251.toml"
    path.write_bytes('[company]\nname = "Ромашка"\n'.encode("cp1251"))
    with pytest.raises(ConfigError, match="не в UTF-8"):
        load_settings(path, {})


def test_a_file_saved_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "firstline.toml"
    path.write_text('[company]\nname = "Ромашка"\n', encoding="utf-8-sig")
    assert load_settings(path, {}).company_name == "Ромашка"


def test_all_mistakes_are_found_in_one_go(tmp_path: Path) -> None:
    text = '[server]\nprot = 1\n[company]\nlanguage = "de"\n' + SITE + 'orgins = []\n[texts]\nclosd = "x"\n'
    places = {problem.place for problem in problems(tmp_path, text)}
    assert places == {"server.prot", "company.language", "connectors.site.orgins", "texts.closd"}


def test_a_mistake_reads_as_one_line_with_the_mend(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, SITE + "orgins = []\n")
    assert str(problem) == "connectors.site.orgins: такого ключа нет; возможно, origins"


@pytest.mark.parametrize(
    ("variable", "value", "place", "mend"),
    [
        ("FIRSTLINE_SERVER__PORT", "много", "FIRSTLINE_SERVER__PORT: server.port", "без кавычек"),
        ("FIRSTLINE_SERWER__PORT", "1", "FIRSTLINE_SERWER__PORT", "возможно, server"),
        ("FIRSTLINE_SERVER__PORT__X", "1", "FIRSTLINE_SERVER__PORT__X", "целиком"),
        ("FIRSTLINE_SERVER__HOST", "env:NOWHERE", "FIRSTLINE_SERVER__HOST: server.host", "NOWHERE"),
        ("FIRSTLINE_COMPANY__PRESET", "retial", "company.preset", "equipment"),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(
    tmp_path: Path, variable: str, value: str, place: str, mend: str
) -> None:
    found = {problem.place: problem.mend for problem in problems(tmp_path, "[server]\nport = 1", {variable: value})}
    assert mend in found[place]


def test_a_secret_that_is_missing_is_the_only_complaint_about_its_place(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, '[server]\nhost = "env:NOWHERE"\n')
    assert (problem.place, problem.mend) == ("server.host", "задайте NOWHERE перед запуском")


def test_a_secret_is_never_repeated_in_a_mistake(tmp_path: Path) -> None:
    text = MAIL.replace('"imap.example.ru"', "5") + 'signature = ["тайна"]\naddres = "тайна"\n'
    told = "\n".join(map(str, problems(tmp_path, text, {"MAIL_PASSWORD": "тайна"})))
    assert "connectors.mail.imap.host" in told
    assert "тайна" not in told


def test_a_second_connector_of_the_same_exchange_may_wait_switched_off(tmp_path: Path) -> None:
    phone = PHONE.replace("file:secret.txt", "x")
    settings = loaded(tmp_path, phone + phone.replace("office-", "second-") + "enabled = false\n")
    assert [connector.enabled for connector in settings.connectors.values()] == [True, False]


@pytest.mark.parametrize("name", PLANNED)
def test_a_channel_to_come_is_told_from_an_unknown_one(tmp_path: Path, name: str) -> None:
    (problem,) = problems(tmp_path, f'[connectors.x]\ntype = "{name}"\n')
    assert problem.message == f"канал {name} пока не поддержан"


def test_every_registered_channel_makes_a_connector_that_says_what_it_can(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("x", encoding="utf-8")
    settings = loaded(tmp_path, SITE + MAIL + PHONE + ONEC, {"MAIL_PASSWORD": "x"})
    assert {connector.type for connector in settings.connectors.values()} == set(REGISTRY)
    made = {name: REGISTRY[each.type].create(name, each) for name, each in settings.connectors.items()}
    for name, connector in made.items():
        assert isinstance(connector, Connector)
        assert (connector.name, connector.type) == (name, settings.connectors[name].type)
        assert connector.channel == REGISTRY[connector.type].channel
    infos = with_capabilities(settings.company, made).connectors
    assert [name for name, info in infos.items() if info.can_call] == ["office-phone"]


def test_a_preset_may_be_a_single_file_at_a_path(tmp_path: Path) -> None:
    preset = """
[company]
name = "Лавка"
work_stage = "work"
[roles]
seller = "Продавец"
[rights.seller]
lead = { read = "own", update = "own open" }
[[stages]]
key = "new"
title = "Новый"
[[stages]]
key = "work"
title = "В работе"
[[stages]]
key = "spam"
title = "Спам"
kind = "lost"
[workhours.office]
days = "mon-sun"
hours = "00:00-24:00"
holidays = "none"
[queues.first-line]
members = ["role:seller"]
"""
    written(tmp_path, preset, "shop.toml")
    settings = loaded(tmp_path, '[company]\npreset = "shop.toml"\n' + SITE)
    assert settings.company_name == "Лавка"
    assert [stage.key for stage in settings.company.stages] == ["new", "work", "spam"]
    assert settings.departments == ()


def test_webhooks_need_a_secret_and_name_their_networks(tmp_path: Path) -> None:
    right = loaded(tmp_path, '[webhooks]\nsecret = "0123456789abcdef"\nnetworks = ["10.0.0.0/8"]').company.webhooks
    assert right is not None
    assert (right.secret, right.networks) == ("0123456789abcdef", ("10.0.0.0/8",))
    assert loaded(tmp_path, "").company.webhooks is None
    for wrong, place in (('secret = "short"', "secret"), ('networks = ["here"]', "networks")):
        assert any(place in problem.place for problem in problems(tmp_path, f"[webhooks]\n{wrong}"))


@pytest.mark.parametrize("name", ["UT11", "1c", "a" * 63, "office_phone"])
def test_every_name_of_a_connector_can_name_what_comes_from_it(tmp_path: Path, name: str) -> None:
    """1C's categories and products are kept under the connector's name."""
    loaded(tmp_path, f'[connectors.{name}]\ntype = "form"\nqueue = "first-line"\n')
    check_names(name, "guid")
