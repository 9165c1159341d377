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
from crm_core.onec import ERRORS as ONEC_ERRORS
from crm_core.onec import EXCHANGES as ONEC_EXCHANGES
from crm_core.onec import FILES as ONEC_FILES
from crm_core.onec import ITEMS as ONEC_ITEMS
from crm_core.onec_orders import OUTGOING as ONEC_OUTGOING
from crm_core.onec_payments import PAYMENTS as ONEC_PAYMENTS
from crm_core.people import DUPLICATES, IDENTITIES, PEOPLE
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
        CURSORS,
        DECISIONS,
        DEPARTMENTS,
        DUPLICATES,
        IDENTITIES,
        JOURNAL,
        LEADS,
        NOTIFICATIONS,
        ONEC_ERRORS,
        ONEC_EXCHANGES,
        ONEC_FILES,
        ONEC_ITEMS,
        ONEC_OUTGOING,
        ONEC_PAYMENTS,
        OUTBOX,
        PEOPLE,
        QUEUE_STATES,
        SESSIONS,
        TASKS,
        TIMELINE,
        TIMERS,
        TOKENS,
        USERS,
    )
)
