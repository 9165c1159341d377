"""Everything that the hub keeps in its store. A new collection is added here, once."""

from __future__ import annotations

from connectors.cursors import CURSORS
from connectors.outbox import OUTBOX
from crm_core.accounts import SESSIONS, TOKENS
from crm_core.audit import AUDIT
from crm_core.automation import AUTOMATIONS, RUNS
from crm_core.blocklist import BLOCKED
from crm_core.calls import CALLS
from crm_core.categories import CATEGORIES
from crm_core.changes import CHANGES
from crm_core.companies import COMPANIES, COMPANY_DUPLICATES
from crm_core.deal_stages import STAYS
from crm_core.deals import DEALS
from crm_core.decisions import DECISIONS
from crm_core.documents.issued import DOCUMENTS
from crm_core.documents.library import TEMPLATES
from crm_core.external import EXTERNAL_REFS
from crm_core.leads import LEADS
from crm_core.merge import MERGES, MOVED
from crm_core.merged import MERGED_AWAY
from crm_core.notifications import NOTIFICATIONS
from crm_core.onec import ERRORS as ONEC_ERRORS
from crm_core.onec import EXCHANGES as ONEC_EXCHANGES
from crm_core.onec import FILES as ONEC_FILES
from crm_core.onec import ITEMS as ONEC_ITEMS
from crm_core.onec_orders import OUTGOING as ONEC_OUTGOING
from crm_core.onec_payments import PAYMENTS as ONEC_PAYMENTS
from crm_core.people import DUPLICATES, IDENTITIES, PEOPLE
from crm_core.personal_data import CONSENTS, ERASURE_WALKS, ERASURES
from crm_core.prices import PRODUCT_PRICES
from crm_core.products import PRODUCTS
from crm_core.retention import RETENTION_RUNS
from crm_core.robot_jobs import JOBS as ROBOT_JOBS
from crm_core.robot_moments import PLANNED as ROBOTS_PLANNED
from crm_core.search import ENTRIES, STATE
from crm_core.segments import SEGMENTS
from crm_core.settings import SETTING_CHANGES, SETTINGS
from crm_core.sheets.jobs import IMPORT_ROWS, IMPORTS
from crm_core.task_repeat import TASK_SERIES
from crm_core.tasks import TASK_LINKS, TASK_PLACES, TASKS
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
        AUTOMATIONS,
        AUTO_ANSWERS,
        BLOCKED,
        CALLS,
        CATEGORIES,
        CHANGES,
        COMPANIES,
        COMPANY_DUPLICATES,
        CONSENTS,
        CURSORS,
        DEALS,
        DECISIONS,
        DEPARTMENTS,
        DOCUMENTS,
        DUPLICATES,
        EXTERNAL_REFS,
        ENTRIES,
        ERASURES,
        ERASURE_WALKS,
        IDENTITIES,
        IMPORTS,
        IMPORT_ROWS,
        JOURNAL,
        LEADS,
        MERGED_AWAY,
        MERGES,
        MOVED,
        NOTIFICATIONS,
        ONEC_ERRORS,
        ONEC_EXCHANGES,
        ONEC_FILES,
        ONEC_ITEMS,
        ONEC_OUTGOING,
        ONEC_PAYMENTS,
        OUTBOX,
        PEOPLE,
        PRODUCTS,
        PRODUCT_PRICES,
        QUEUE_STATES,
        RETENTION_RUNS,
        ROBOTS_PLANNED,
        ROBOT_JOBS,
        RUNS,
        SEGMENTS,
        SESSIONS,
        SETTINGS,
        SETTING_CHANGES,
        STAYS,
        STATE,
        TASKS,
        TASK_LINKS,
        TASK_PLACES,
        TASK_SERIES,
        TEMPLATES,
        TIMELINE,
        TIMERS,
        TOKENS,
        USERS,
    )
)
