"""Pipelines of deals, the deal card, and the conversion of leads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from crm_core.company import FieldRule
from crm_core.conversion import CARRIED
from crm_core.deal_fields import BUILT_IN
from crm_core.pipelines import Conversion, Demand, DemandKind, Pipeline, PipelineStage
from crm_core.stages import Stage
from firstline.build_channels import check_name
from firstline.build_people import once, refers
from firstline.draft import Draft, Place
from firstline.settings_pipelines import ConversionSection, DemandRow, PipelineSection

LEAD_FACTS = ("name", "contact", "source", "company")
"""What a conversion may require besides fields of the card."""
HIDDEN_MEND = "покажите поле или уберите требование"


def read_pipelines(draft: Draft, rules: Sequence[FieldRule], roles: Iterable[str]) -> dict[str, Pipeline]:
    """`[pipelines.*]` in the order of the preset."""
    fields = [*BUILT_IN, *(rule.key for rule in rules)]
    found = {}
    for key, data in draft.table("pipelines").items():
        check_name(draft, ("pipelines", key))
        section = draft.read(PipelineSection, data, ("pipelines", key))
        if section is not None:
            _check_stages(draft, ("pipelines", key), section)
            stages = []
            for number, row in enumerate(section.stages):
                place: Place = ("pipelines", key, "stages", number, "demands")
                demands = [_demand(draft, (*place, at), each, fields, roles) for at, each in enumerate(row.demands)]
                known = tuple(each for each in demands if each is not None)
                probability = {"won": 100, "lost": 0}.get(row.kind, row.probability)
                stages.append(PipelineStage(row.key, row.title, row.kind, row.color, row.archived, probability, known))
            found[key] = Pipeline(key, section.title, stages, section.archived)
    _check_shown(draft, rules, found)
    return found


def _check_shown(draft: Draft, rules: Iterable[FieldRule], found: Mapping[str, Pipeline]) -> None:
    """Nobody can fill a field that no card shows."""
    hidden = {rule.key for rule in rules if rule.hidden}
    for way in found.values():
        for number, stage in enumerate(way.stages):
            for at, demand in enumerate(stage.demands):
                if demand.kind is DemandKind.FIELD and demand.key in hidden and not stage.archived:
                    place: Place = ("pipelines", way.key, "stages", number, "demands", at, "field")
                    draft.report(place, f"поле {demand.key} скрыто, а стадия его требует", HIDDEN_MEND)


def _check_stages(draft: Draft, place: Place, section: PipelineSection) -> None:
    once(draft, [((*place, "stages", number, "key"), row.key) for number, row in enumerate(section.stages)], "ключ")
    live = [(number, row.kind) for number, row in enumerate(section.stages) if not row.archived]
    if not live or live[0][1] != "open":
        at = live[0][0] if live else 0
        draft.report((*place, "stages", at, "kind"), "с первой стадии сделка начинается", "нужна с kind = open")
    if [kind for _, kind in live].count("won") != 1:
        draft.report((*place, "stages"), "успешная стадия должна быть ровно одна", "у неё kind = won")


def _demand(draft: Draft, place: Place, row: DemandRow, fields: Iterable[str], roles: Iterable[str]) -> Demand | None:
    given = {kind: value for kind in DemandKind if (value := getattr(row, kind)) is not None}
    if len(given) != 1:
        draft.report(place, "условие должно быть ровно одно", f"есть {', '.join(DemandKind)}")
        return None
    ((kind, value),) = given.items()
    if kind is DemandKind.FIELD:
        refers(draft, (*place, "field"), "поля", [value], fields)
    if kind is DemandKind.DOCUMENT:
        known = [each.get("key", "") for each in draft.rows("documents") if isinstance(each, dict)]
        refers(draft, (*place, "document"), "шаблона документа", [value], known)
    if kind is DemandKind.TASK:
        refers(draft, (*place, "task"), "группы задач", [value], draft.table("task_groups"))
    if kind is DemandKind.APPROVAL:
        refers(draft, (*place, "approval"), "роли", [value], roles)
    return Demand(kind, value if isinstance(value, str) else "", row.title)


def read_conversion(
    draft: Draft, stages: Iterable[Stage], lead_fields: Sequence[FieldRule], deal_fields: Iterable[FieldRule]
) -> Conversion:
    """`[conversion]`."""
    section = draft.read(ConversionSection, draft.table("conversion"), ("conversion",)) or ConversionSection()
    lead_keys, deal_keys = [rule.key for rule in lead_fields], [*CARRIED, *(rule.key for rule in deal_fields)]
    if draft.table("pipelines"):
        won = [stage.key for stage in stages if stage.kind == "won" and not stage.archived]
        refers(draft, ("conversion", "stage"), "успешной стадии лида", [section.stage], won)
    refers(draft, ("conversion", "requires"), "поля лида", section.requires, [*LEAD_FACTS, *lead_keys])
    for key in {rule.key for rule in lead_fields if rule.hidden}.intersection(section.requires):
        draft.report(("conversion", "requires"), f"поле {key} скрыто, а конвертация его требует", HIDDEN_MEND)
    refers(draft, ("conversion", "carried"), "поля лида", section.carried, lead_keys)
    refers(draft, ("conversion", "carried"), "поля сделки", section.carried.values(), deal_keys)
    return Conversion(section.stage, section.requires, section.carried)
