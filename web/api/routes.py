"""Every call of `/api/v1`, in the order of its description. A new resource: a module with `ROUTES`, and a line."""

from __future__ import annotations

from web.api import blocked, calls, contacts, conversation, files, leads, notes, onec, queues, running, tasks, users
from web.api.call import Route

ROUTES: tuple[Route, ...] = (
    *leads.ROUTES,
    *conversation.ROUTES,
    *contacts.ROUTES,
    *blocked.ROUTES,
    *tasks.ROUTES,
    *calls.ROUTES,
    *files.ROUTES,
    *notes.ROUTES,
    *users.ROUTES,
    *queues.ROUTES,
    *onec.ROUTES,
    *running.ROUTES,
)
