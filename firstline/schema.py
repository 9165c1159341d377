"""Everything that the hub keeps in its store. A new collection is added here, once."""

from __future__ import annotations

from connectors.cursors import CURSORS
from connectors.outbox import OUTBOX
from crm_core.accounts import SESSIONS, TOKENS
from crm_core.audit import AUDIT
from crm_core.blocklist import BLOCKED
from crm_core.calls import CALLS
from crm_core.changes import CHANGES
from crm_core.decisions import DECISIONS
from crm_core.leads import LEADS
from crm_core.notifications import NOTIFICATIONS
from crm_core.people import DUPLICATES, IDENTITIES, PEOPLE
from crm_core.personal_data import CONSENTS, ERASURES
from crm_core.search import ENTRIES, STATE
from crm_core.tasks import TASKS
from crm_core.timeline import TIMELINE
from crm_core.timers import TIMERS
from crm_core.users import ABSENCES, DEPARTMENTS, USERS
from distribution.queues import QUEUE_STATES
from router.hours import AUTO_ANSWERS
from router.journal import JOURNAL
from storage import Schema

SCHEMA = Schema(
    (
        ABSENCES,
        AUDIT,
        AUTO_ANSWERS,
        BLOCKED,
        CALLS,
        CHANGES,
        CONSENTS,
        CURSORS,
        DECISIONS,
        DEPARTMENTS,
        DUPLICATES,
        ENTRIES,
        ERASURES,
        IDENTITIES,
        JOURNAL,
        LEADS,
        NOTIFICATIONS,
        OUTBOX,
        PEOPLE,
        QUEUE_STATES,
        SESSIONS,
        STATE,
        TASKS,
        TIMELINE,
        TIMERS,
        TOKENS,
        USERS,
    )
)
