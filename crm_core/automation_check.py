"""What is wrong with a robot, by field: for the preset at the start and for people at run time alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from crm_core.automation import Automation, Event
from crm_core.company import Company
from crm_core.deals import EDITABLE as DEAL_EDITABLE
from crm_core.leads import EDITABLE as LEAD_EDITABLE
from crm_core.robot_actions import ACTION_TITLES, PARAMS, PLACEHOLDER, PLAIN, VALUES
from crm_core.robot_moments import WAITS, offset_of
from crm_core.webhooks import url_problem
from workhours import parse_duration

MOMENTS = {
    "deal": frozenset({"created_at", "updated_at", "stage_since", "next_step_at", "expected_close"}),
    "lead": frozenset({"created_at", "updated_at", "stage_since", "due_at"}),
}
DEALS_ONLY = frozenset({"assign", "make_document"})
CHANGED = {"deal": DEAL_EDITABLE - {"fields"}, "lead": LEAD_EDITABLE - {"fields"}}
MAX_WORKING_DAYS = 365
MAX_HOURS = 24 * 366


@dataclass(frozen=True, slots=True)
class Known:
    """What a robot may name besides what the company's configuration holds."""

    robots: Mapping[str, str] = field(default_factory=dict)
    """Id → kind of record."""
    templates: frozenset[str] = frozenset()
    """Of documents, uploaded ones."""


def problems(company: Company, automation: Automation, known: Known) -> dict[str, str]:
    """Everything that is wrong with a robot, by field."""
    wrong = _trigger_problems(company, automation)
    if not automation.title.strip():
        wrong["title"] = "Назовите робота"
    names = _values(company, automation)
    for number, condition in enumerate(automation.conditions):
        if condition.field not in names | _fields(company, automation):
            wrong[f"conditions[{number}].field"] = f"Такого поля нет; есть {', '.join(sorted(names))}"
    if not automation.steps:
        wrong["steps"] = "Назовите, что робот делает"
    for number in range(len(automation.steps)):
        found = _step_problems(company, automation, number, known)
        wrong |= {f"steps[{number}].{name}": text for name, text in found.items()}
    return wrong


def _trigger_problems(company: Company, automation: Automation) -> dict[str, str]:
    wrong: dict[str, str] = {}
    trigger = automation.trigger
    if trigger.pipeline and trigger.pipeline not in company.pipelines:
        wrong["trigger.pipeline"] = f"Такого направления нет; есть {', '.join(company.pipelines)}"
    elif trigger.stage and trigger.stage not in (stages := _stages(company, automation)):
        wrong["trigger.stage"] = f"Такой стадии нет; есть {', '.join(stages)}"
    if trigger.event in WAITS:
        try:
            offset = offset_of(trigger.offset)
            if trigger.event is Event.STUCK and not offset > offset * 0:
                wrong["trigger.offset"] = "Укажите, сколько ничего не происходит: 5d"
        except ValueError as error:
            wrong["trigger.offset"] = str(error)
    fields, entity = _fields(company, automation), trigger.entity
    allowed = {
        Event.TIME: MOMENTS[entity] | _dates(company, automation),
        Event.STUCK: frozenset({"next_step"}) if entity == "deal" else frozenset(),
        Event.FIELD: fields | CHANGED[entity],
    }.get(trigger.event, frozenset())
    if (trigger.field or trigger.event is Event.TIME) and trigger.field not in allowed:
        what = "Нужно поле с датой" if trigger.event is Event.TIME else "Такого поля здесь нет"
        wrong["trigger.field"] = f"{what}; есть {', '.join(sorted(allowed))}" if allowed else "Поле здесь не нужно"
    return wrong


def _stages(company: Company, automation: Automation, *, live: bool = False) -> list[str]:
    """Keys of the stages that the robot's records go through; `live`: only those that may be entered."""
    trigger = automation.trigger
    if trigger.entity == "lead":
        return [stage.key for stage in company.stages if not (live and stage.archived)]
    own = company.pipelines.get(trigger.pipeline or "")
    ways = [own] if own else company.pipelines.values()
    return list(dict.fromkeys(stage.key for way in ways for stage in way.stages if not (live and stage.archived)))


def _targets(company: Company, automation: Automation) -> list[str]:
    """Stages that a robot may move to: a lead is won by conversion only."""
    if automation.trigger.entity == "lead":
        return [stage.key for stage in company.stages if stage.kind != "won" and not stage.archived]
    return _stages(company, automation, live=True)


def _fields(company: Company, automation: Automation) -> frozenset[str]:
    rules = company.deal_fields if automation.trigger.entity == "deal" else company.fields
    return frozenset(rule.key for rule in rules)


def _dates(company: Company, automation: Automation) -> frozenset[str]:
    rules = company.deal_fields if automation.trigger.entity == "deal" else company.fields
    return frozenset(rule.key for rule in rules if rule.type == "date")


def _values(company: Company, automation: Automation) -> frozenset[str]:
    """What texts and conditions may name."""
    own = VALUES[automation.trigger.entity] | {"person", "owner"}
    return own | {f"fields.{key}" for key in _fields(company, automation)}


def _step_problems(company: Company, automation: Automation, number: int, known: Known) -> dict[str, str]:
    step, entity = automation.steps[number], automation.trigger.entity
    if step.action not in PARAMS:
        return {"action": f"Такого действия нет; есть {', '.join(PARAMS)}"}
    if entity == "lead" and step.action in DEALS_ONLY:
        return {"action": f"«{ACTION_TITLES[step.action]}» бывает только у сделок"}
    needed, allowed = PARAMS[step.action]
    wrong = {name: "Не хватает этого параметра" for name in needed if not step.params.get(name, "").strip()}
    wrong |= dict.fromkeys(step.params.keys() - needed - allowed, "Такого параметра у действия нет")
    for name in ("responsible", "to"):
        if (who := step.params.get(name)) and (mend := _who_wrong(company, who)):
            wrong[name] = mend
    for name, choices in _choices(company, automation, step.action, known).items():
        if (chosen := step.params.get(name)) and chosen not in choices:
            wrong[name] = f"Такого нет; есть {', '.join(choices) or 'ни одного'}"
    if mend := _deadline_wrong(step.params.get("deadline", ""), _dates(company, automation), entity):
        wrong["deadline"] = mend
    if (url := step.params.get("url")) and (mend := url_problem(url, company.webhooks)):
        wrong["url"] = mend
    return _placeholders_wrong(step.params.items(), _values(company, automation)) | wrong


def _choices(company: Company, automation: Automation, action: str, known: Known) -> dict[str, list[str]]:
    """Parameter → what it may name."""
    entity = automation.trigger.entity
    match action:
        case "move":
            return {"stage": _targets(company, automation)}
        case "set_field":
            return {"field": sorted(_fields(company, automation) | PLAIN[entity])}
        case "create_task":
            return {"group": list(company.task_groups)}
        case "send_message":
            return {"connector": list(company.connectors)}
        case "make_document":
            return {
                "template": sorted({rule.key for rule in company.documents} | known.templates),
                "leave_blanks": ["yes", "no"],
            }
        case "start":
            return {"automation": [id for id, kind in known.robots.items() if kind == entity and id != automation.id]}
    return {}


def _who_wrong(company: Company, who: str) -> str | None:
    kind, _, key = who.partition(":")
    if kind == "role" and key not in company.roles:
        return f"Такой роли нет; есть {', '.join(company.roles)}"
    if who != "owner" and (kind not in ("role", "head", "user") or not key):
        return "Пишите owner, role:КЛЮЧ, head:ОТДЕЛ или user:ID"
    return None


def _deadline_wrong(text: str, dates: frozenset[str], entity: str) -> str | None:
    if not text:
        return None
    if text.startswith("field:"):
        known = dates | ({"expected_close"} if entity == "deal" else set())
        return None if text[6:] in known else f"Нужно поле с датой; есть {', '.join(sorted(known)) or 'ни одного'}"
    if text.endswith("wd"):
        days = text[:-2]
        right = days.isascii() and days.isdigit() and len(days) < 4 and int(days) <= MAX_WORKING_DAYS
        return None if right else f"Пишите так: 3wd, не больше {MAX_WORKING_DAYS}"
    try:
        hours = parse_duration(text).total_seconds() / 3600
    except (ValueError, OverflowError) as error:
        return str(error)
    return None if hours <= MAX_HOURS else f"Не больше {MAX_HOURS} часов"


def _placeholders_wrong(params: Iterable[tuple[str, str]], known: frozenset[str]) -> dict[str, str]:
    return {
        name: f"Подстановки {{{unknown}}} нет; есть {', '.join(sorted(known))}"
        for name, text in params
        for unknown in PLACEHOLDER.findall(text)
        if unknown not in known
    }
