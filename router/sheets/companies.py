"""Companies in tables: requisites are checked as on the card, and the person of the row becomes its contact.

A company is known by its ИНН, together with the КПП where the table has one: branches share the ИНН. Excel takes
leading zeros away from numbers; they are put back where the length tells that they are gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crm_core.access import check, visible
from crm_core.actor import Actor
from crm_core.audit import record as audit
from crm_core.changes import tell
from crm_core.companies import (
    COMPANIES,
    COMPANY_DUPLICATES,
    CustomerCompany,
    create_company,
    edit_company,
    facts,
    list_companies,
)
from crm_core.company import Company
from crm_core.contacts import create_person, edit_person
from crm_core.errors import Invalid
from crm_core.merged import resolve
from crm_core.people import PEOPLE, Person
from crm_core.references import TO_COMPANY, used_by
from crm_core.requisites import clean
from crm_core.rights import Action
from crm_core.sheets.kinds import Field, Parse, RecordRef, Updated, marks_of
from crm_core.sheets.writing import Cell
from crm_core.similar import company_key
from router.sheets.cells import COMMENT, OWNER, differing, email_of, employee, kept_words, parse_text, stored
from router.sheets.contacts import (
    COMPANY,
    EMAILS,
    PHONES,
    check_marks,
    parse_emails,
    parse_phones,
    person_of_row,
    remove_person,
)
from storage import AllOf, AnyOf, Filter, ReadTx, Tx

TOUCHED = "С компанией уже работали: она оставлена"
MERGED = "Компания объединена с другой: она оставлена"
_USES = tuple(each for each in TO_COMPANY if each.collection is not PEOPLE)
NAMES = (*COMPANY, "Наименование", "Контрагент", "Полное наименование", "Сокращённое наименование", "Юридическое лицо",
         "Юр лицо", "Company name", "Account name", "Name")  # fmt: skip


def digits_of(*lengths: int) -> Parse:
    """A number of requisites; one that is a digit shorter than it may be has lost its leading zero."""

    def parse(text: str, company: Company) -> str:
        found = clean(text) or ""
        lost = found.isascii() and found.isdecimal() and len(found) + 1 in lengths and len(found) not in lengths
        return found.zfill(len(found) + 1) if lost else found

    return parse


INN = Field("inn", "ИНН", ("ИНН компании", "ИНН организации", "INN", "Tax ID"), parse=digits_of(10, 12),
            example="7707083893")  # fmt: skip
_NUMBERS = (
    INN,
    Field("kpp", "КПП", ("КПП компании", "KPP"), parse=digits_of(9), example="770701001"),
    Field("ogrn", "ОГРН", ("ОГРНИП", "ОГРН/ОГРНИП", "OGRN"), parse=digits_of(13, 15), example="1027700132195"),
    Field("bank", "Банк", ("Наименование банка", "Bank", "Bank name")),
    Field("bik", "БИК", ("БИК банка", "BIC", "BIK"), parse=digits_of(9), example="044525225"),
    Field("account", "Расчётный счёт", ("Р/с", "Р/счёт", "Расч счёт", "Account number"), parse=digits_of(20)),
    Field("corr_account", "Корр. счёт", ("Корреспондентский счёт", "К/с", "К/счёт"), parse=digits_of(20)),
)
_FIXED = (
    Field("name", "Название", NAMES, required=True, example="ООО «Ромашка»"),
    *_NUMBERS,
    Field("phones", "Телефоны", PHONES, parse=parse_phones, example="+7 495 123-45-67", many=True),
    Field("emails", "Почта", EMAILS, parse=parse_emails, example="info@example.ru", many=True),
    Field("site", "Сайт", ("Веб-сайт", "Корпоративный сайт", "Web", "Website", "URL")),
    Field("legal_address", "Юридический адрес", ("Адрес", "Юр адрес", "Адрес регистрации", "Address")),
    Field("postal_address", "Почтовый адрес", ("Фактический адрес", "Адрес доставки", "Postal address")),
    Field("director", "Руководитель", ("Директор", "Генеральный директор", "Director")),
    Field("activity", "Сфера деятельности", ("Отрасль", "Вид деятельности", "Industry")),
    Field("size", "Размер", ("Количество сотрудников", "Кол-во сотрудников", "Размер компании", "Employees")),
    Field("owner_id", "Ответственный", OWNER, example="anna@example.ru"),
    Field("comment", "Комментарий", COMMENT, parse=parse_text),
)
_PERSON = (
    Field("person_name", "Контактное лицо", ("Контакт", "Имя контакта", "Основной контакт", "Contact", "Contact name"),
          exported=False),
    Field("person_phones", "Телефон контакта", ("Телефон контактного лица", "Contact phone"), parse=parse_phones,
          many=True, exported=False),
    Field("person_emails", "Почта контакта", ("Email контакта", "Почта контактного лица", "Contact email"),
          parse=parse_emails, many=True, exported=False),
)  # fmt: skip
_KEPT = {field.key: field.title for field in _FIXED}


class Companies:
    """See `ImportKind`."""

    key = "companies"
    entity = "company"
    title = "Компании"
    collection = COMPANIES
    duplicates: Mapping[str, str] = {"inn": "ИНН и КПП", "name": "Название"}

    def fields(self, company: Company) -> Sequence[Field]:
        return (*_FIXED, *_PERSON)

    def marks(self, values: Mapping[str, Any], rule: Sequence[str]) -> list[tuple[str, Any]]:
        if "inn" in values:
            return [("inn", f"{values['inn']}/{values.get('kpp', '')}")] if "inn" in rule else []
        return [(key, company_key(value)) for key, value in marks_of(values, rule)]

    def find_duplicate(self, tx: ReadTx, values: Mapping[str, Any], rule: Sequence[str]) -> str | None:
        found = find_by_numbers(tx, values) if "inn" in rule else None
        if found is None and "name" in rule:
            found = find_by_name(tx, values["name"], values.get("inn"))
        return found.id if found else None

    def create(self, tx: Tx, actor: Actor, company: Company, values: Mapping[str, Any]) -> RecordRef:
        person = _contact(tx, actor, values)
        made = create_company(tx, actor, _card(tx, values))
        return RecordRef(made.id, True, {}, _state(made) | {"people": _join(tx, actor, made, person, values)})

    def update(self, tx: Tx, actor: Actor, company: Company, record: str, values: Mapping[str, Any]) -> Updated:
        person = _contact(tx, actor, values)
        before, wanted = tx.require(COMPANIES, record), _card(tx, values)
        for key in ("phones", "emails"):
            if key in wanted:
                wanted[key] = tuple(dict.fromkeys((*getattr(before, key), *wanted[key])))
        after = edit_company(tx, actor, record, wanted)
        former, present = differing(_state(before), _state(after))
        people = _join(tx, actor, after, person, values)
        return Updated(former, present | {"people": people} if people else present)

    def undo(self, tx: Tx, actor: Actor, company: Company, record: RecordRef) -> str | None:
        found = tx.get(COMPANIES, record.id)
        if found is None:
            if resolve(tx, record.id) != record.id:
                return MERGED
            return None if record.created else "Компании больше нет"
        if record.created:
            return _remove(tx, actor, found, record)
        now = stored(_state(found))
        back = {key: value for key, value in record.before.items() if now[key] == record.after[key]}
        if back:
            edit_company(tx, actor, found.id, back)
        _part(tx, actor, found, record)
        return kept_words([_KEPT[key] for key in record.before if key not in back])

    def export_page(
        self, tx: ReadTx, actor: Actor, company: Company, where: Filter, after: str | None, limit: int
    ) -> tuple[list[tuple[str, list[Cell]]], str | None]:
        check(actor, self.entity, Action.EXPORT)
        exportable = visible(actor, "company", owner_fields=("owner_id",), action=Action.EXPORT)
        if exportable is None:
            return [], None
        found = list_companies(tx, actor, AllOf((where, exportable)), sort="created_at", limit=limit, after=after)
        rows = [(each.id, _cells(tx, each)) for each in found]
        return rows, tx.cursor_after(COMPANIES, found[-1], "created_at") if len(found) == limit else None


def find_by_numbers(tx: ReadTx, values: Mapping[str, Any]) -> CustomerCompany | None:
    """The company with this ИНН and КПП; without a КПП on either side the ИНН decides. `Invalid` when several have
    it."""
    inn, kpp = values.get("inn"), values.get("kpp")
    if not inn:
        return None
    exact = tx.first(COMPANIES, {"tax_key": f"{inn}/{kpp or ''}"})
    if exact is not None:
        return exact
    if kpp:
        return tx.first(COMPANIES, {"tax_key": f"{inn}/"})
    found = tx.find(COMPANIES, {"inn": inn}, limit=2)
    if len(found) > 1:
        raise Invalid({"inn": "Компаний с этим ИНН несколько: добавьте столбец с КПП"})
    return found[0] if found else None


def find_by_name(tx: ReadTx, name: str, inn: str | None) -> CustomerCompany | None:
    """The company of this name but for its writing, unless its ИНН is another one. `Invalid` when several are."""
    key = company_key(name)
    found = tx.find(COMPANIES, {"name_key": key}, limit=20) if key else []
    found = [each for each in found if inn is None or each.inn is None]
    if len(found) > 1:
        raise Invalid({"name": "Компаний с таким названием несколько: добавьте столбец с ИНН"})
    return found[0] if found else None


def _card(tx: ReadTx, values: Mapping[str, Any]) -> dict[str, Any]:
    """What the core takes."""
    wanted = {key: value for key, value in values.items() if key in _KEPT}
    if "owner_id" in wanted:
        wanted["owner_id"] = employee(tx, wanted["owner_id"]).id
    return wanted


def _contact(tx: ReadTx, actor: Actor, values: Mapping[str, Any]) -> Person | None:
    """The person of the row, when the hub knows him. Refuses, before anything is written, what the actor may not do
    with contacts."""
    if not any(field.key in values for field in _PERSON):
        return None
    marks = {"phones": values.get("person_phones", ()), "emails": values.get("person_emails", ())}
    check_marks(values, "person_")
    person = person_of_row(tx, marks, ("phones", "emails"))
    if person is None and not any(marks.values()):
        raise Invalid({"person_name": "Укажите телефон или почту контакта: по одному имени его не узнать"})
    check(actor, "contact", Action.UPDATE if person else Action.CREATE)
    return person


def _join(
    tx: Tx, actor: Actor, company: CustomerCompany, person: Person | None, values: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Make the person of the row a contact of the company; one who belongs to another company stays there. What was
    done, for undo."""
    if not any(field.key in values for field in _PERSON):
        return []
    if person is not None:
        if person.company_id is not None:
            return []
        edit_person(tx, actor, person.id, {"company_id": company.id})
        return [{"id": person.id, "made": False}]
    card = {"name": values.get("person_name"), "company_id": company.id}
    card |= {key: values.get(f"person_{key}", ()) for key in ("phones", "emails")}
    return [{"id": create_person(tx, actor, card).id, "made": True}]


def _part(tx: Tx, actor: Actor, company: CustomerCompany, record: RecordRef) -> None:
    """Take back what `_join` did, as far as nobody has touched it since."""
    for each in record.after.get("people", ()):
        person = tx.get(PEOPLE, each["id"])
        if person is None or person.company_id != company.id:
            continue
        person = edit_person(tx, actor, person.id, {"company_id": None, "company": None})
        if each["made"] and not person.messengers and person.last_activity_at == person.created_at:
            remove_person(tx, actor, person)


def _remove(tx: Tx, actor: Actor, company: CustomerCompany, record: RecordRef) -> str | None:
    """Remove a company with which nothing has happened yet; else the reason why it stays."""
    if any(record.after[key] != value for key, value in stored(_state(company)).items()):
        return TOUCHED
    own = {each["id"] for each in record.after.get("people", ())}
    if any(each.id not in own for each in tx.find(PEOPLE, {"company_id": company.id}, limit=len(own) + 1)):
        return TOUCHED
    if why := _use(tx, company):
        return why
    check(actor, "company", Action.UPDATE, facts(company))
    _part(tx, actor, company, record)
    return remove_company(tx, actor, tx.require(COMPANIES, company.id))


def _use(tx: ReadTx, company: CustomerCompany) -> str | None:
    """Why it stays, but for its contacts."""
    if used := used_by(tx, _USES, company.id):
        return f"С компанией уже работали ({', '.join(used)}): она оставлена"
    pairs: Filter = AnyOf(({"first_id": company.id}, {"second_id": company.id}))
    return TOUCHED if tx.first(COMPANY_DUPLICATES, pairs) else None


def remove_company(tx: Tx, actor: Actor, company: CustomerCompany) -> str | None:
    """Remove a company that an import has made, unless something refers to it; else the reason why it stays."""
    if tx.first(PEOPLE, {"company_id": company.id}):
        return TOUCHED
    if why := _use(tx, company):
        return why
    tx.delete(COMPANIES, company)
    audit(tx, actor, "company", company.id, "deleted", {"name": (company.name, None), "inn": (company.inn, None)})
    tell(tx, "company", company.id, "deleted", owners=(company.owner_id,))
    return None


def _state(company: CustomerCompany) -> dict[str, Any]:
    return {key: getattr(company, key) for key in _KEPT}


def _cells(tx: ReadTx, company: CustomerCompany) -> list[Cell]:
    shown = _state(company) | {"owner_id": email_of(tx, company.owner_id)}
    return [", ".join(value) if isinstance(value, tuple) else value for value in shown.values()]
