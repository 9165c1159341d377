"""The update file: years to come by TOML or JSON, and what is said about its mistakes."""

import json
from datetime import date

import pytest

from tests.unit.workhours.builders import calendar, local
from workhours import CalendarErrors, is_published, load_updates
from workhours.production import is_short_day, is_working_day

YEAR_2040 = """
[2040]
days_off = ["2040-01-09", 2040-12-31]
working_days = ["2040-06-16"]
short_days = ["2040-06-16"]
"""


def write(tmp_path, text, name="years.toml"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def mistakes(path):
    with pytest.raises(CalendarErrors) as caught:
        load_updates(path)
    return {error.key: error.message for error in caught.value.errors}


def test_a_year_of_the_file_overrides_what_was_known(tmp_path):
    updates = load_updates(write(tmp_path, YEAR_2040))
    assert is_published(2040, updates)
    assert not is_working_day(date(2040, 1, 9), updates)
    assert not is_working_day(date(2040, 12, 31), updates)
    assert is_working_day(date(2040, 6, 16), updates)
    assert [d for d in (date(2040, 3, 7), date(2040, 6, 16)) if is_short_day(d, updates)] == [date(2040, 6, 16)]
    # The bare rule would have moved Sunday, 4 November; the file does not say so.
    assert is_working_day(date(2040, 11, 5), updates)
    assert not is_working_day(date(2040, 5, 1), updates)


def test_a_bundled_year_is_overridden_too(tmp_path):
    updates = load_updates(write(tmp_path, '[2026]\ndays_off = ["2026-11-23"]\n'))
    assert not is_working_day(date(2026, 11, 23), updates)
    assert is_working_day(date(2026, 11, 23))


def test_json_says_the_same_as_toml(tmp_path):
    content = {
        "2040": {"days_off": ["2040-01-09", "2040-12-31"], "working_days": ["2040-06-16"], "short_days": ["2040-06-16"]}
    }
    from_json = load_updates(write(tmp_path, json.dumps(content), "years.json"))
    assert from_json == load_updates(write(tmp_path, YEAR_2040))


def test_short_days_left_out_follow_from_the_labour_code(tmp_path):
    updates = load_updates(write(tmp_path, '[2040]\ndays_off = ["2040-06-11"]\nworking_days = ["2040-06-09"]\n'))
    # Monday, 11 June, the eve of the holiday, was moved to Saturday, 9 June.
    assert is_short_day(date(2040, 6, 9), updates)
    assert is_short_day(date(2040, 3, 7), updates)


def test_a_calendar_takes_a_worked_saturday_from_the_file(tmp_path):
    updates = load_updates(write(tmp_path, YEAR_2040))
    office = calendar(updates=updates)
    assert office.is_open(local("2040-06-16 17:59"))
    assert not office.is_open(local("2040-06-16 18:00"))


@pytest.mark.parametrize(
    ("text", "key", "mend"),
    [
        ("[2040]\ndays_of = []\ndays_off = []", "years.toml: 2040.days_of", "days_off"),
        ("[2040]\nworking_days = []", "years.toml: 2040.days_off", "укажите []"),
        ('[2040]\ndays_off = "2040-01-09"', "years.toml: 2040.days_off", "список"),
        ('[2040]\ndays_off = ["9 января"]', "years.toml: 2040.days_off[0]", "2040-11-06"),
        ("[2040]\ndays_off = [5]", "years.toml: 2040.days_off[0]", "не дата"),
        ('[2040]\ndays_off = ["2040-01-09", "2041-01-09"]', "years.toml: 2040.days_off[1]", "[2041]"),
        ('[2040]\ndays_off = ["2040-01-09", "2040-01-09"]', "years.toml: 2040.days_off[1]", "повтор"),
        ('[2040]\ndays_off = []\nworking_days = ["2040-01-10"]', "years.toml: 2040.working_days", "будний"),
        ('[2040]\ndays_off = []\nworking_days = ["2040-05-01"]', "years.toml: 2040.working_days", "праздник"),
        ('[2040]\ndays_off = ["2040-06-16"]\nworking_days = ["2040-06-16"]', "years.toml: 2040.working_days", "одном"),
        ('[2040]\ndays_off = []\nshort_days = ["2040-05-01"]', "years.toml: 2040.short_days", "выходной"),
        ('[2040]\ndays_off = []\nshort_days = ["2040-06-16"]', "years.toml: 2040.short_days", "working_days"),
        ("[next]\ndays_off = []", "years.toml: next", "[2028]"),
        ("[1969]\ndays_off = []", "years.toml: 1969", "1970"),
        ("2040 = 5", "years.toml: 2040", "days_off"),
        ("2040 =", "years.toml", "не разобран"),
    ],
)
def test_a_mistake_names_file_key_and_mend(tmp_path, text, key, mend):
    found = mistakes(write(tmp_path, text))
    assert list(found) == [key]
    assert mend in found[key]


def test_all_mistakes_are_told_at_once(tmp_path):
    found = mistakes(write(tmp_path, '[2040]\ndays_off = ["x"]\nworking_days = ["2040-01-10"]\n[99]\n'))
    assert set(found) == {"years.toml: 2040.days_off[0]", "years.toml: 2040.working_days", "years.toml: 99"}


def test_a_missing_file_and_a_json_list_are_told_plainly(tmp_path):
    assert "проверьте путь" in mistakes(tmp_path / "none.toml")["none.toml"]
    assert "по годам" in mistakes(write(tmp_path, "[]", "years.json"))["years.json"]


def test_a_file_in_another_encoding_is_told_plainly(tmp_path):
    path = tmp_path / "years.toml"
    path.write_bytes("# Календарь".encode("cp1251"))
    assert "не разобран" in mistakes(path)["years.toml"]
