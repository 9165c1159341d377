"""Every call of `/api/v1`, in the order of its description. A new resource: a module with `ROUTES`, and a line."""

from __future__ import annotations

from web.api import (
    automations,
    blocked,
    calculate,
    calls,
    categories,
    contacts,
    conversation,
    deals,
    documents,
    files,
    leads,
    notes,
    products,
    queues,
    running,
    task_parts,
    task_steps,
    tasks,
    templates,
    users,
)
from web.api.call import Route

ROUTES: tuple[Route, ...] = (
    *leads.ROUTES,
    *conversation.ROUTES,
    *deals.ROUTES,
    *contacts.ROUTES,
    *blocked.ROUTES,
    *tasks.ROUTES,
    *task_steps.ROUTES,
    *task_parts.ROUTES,
    *products.ROUTES,
    *categories.ROUTES,
    *calculate.ROUTES,
    *calls.ROUTES,
    *documents.ROUTES,
    *templates.ROUTES,
    *files.ROUTES,
    *notes.ROUTES,
    *users.ROUTES,
    *queues.ROUTES,
    *automations.ROUTES,
    *running.ROUTES,
)
