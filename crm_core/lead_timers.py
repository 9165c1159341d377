"""Kinds of the timers that a lead may have until it is finished; the key of each is the lead's id."""

from __future__ import annotations

OFFER = "offer"
"""The one to whom it is offered has not answered."""
ESCALATE = "escalate"
"""Nobody has taken it for long."""
CALL_GUARD = "call_guard"
"""The end of the call that holds it was never reported."""
OF_LEAD = (OFFER, ESCALATE, CALL_GUARD)
