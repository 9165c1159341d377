"""Which pipelines an employee may start deals in."""

from __future__ import annotations

from crm_core.access import Facts, may
from crm_core.actor import Actor
from crm_core.company import Company
from crm_core.pipelines import Pipeline
from crm_core.rights import Action


def creatable(actor: Actor, company: Company) -> list[Pipeline]:
    """Pipelines in which the actor may make a deal of his own."""
    return [
        way
        for way in company.pipelines.values()
        if not way.archived
        and may(actor, "deal", Action.CREATE, Facts(frozenset({actor.id}), way.first.key, True, way.key))
    ]
