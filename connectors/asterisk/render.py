"""A click-to-call as the exchange's Originate. Pure; everything that comes from a person is validated or cleaned here.

Source: docs.asterisk.org, AMI action Originate. `Async: true` because the synchronous form blocks the connection;
`__FIRSTLINE_REQUEST` is inherited by every channel of the call, so that the call can be told by it.
"""

from __future__ import annotations

import re

from connectors.asterisk.parse import plain
from connectors.asterisk.settings import AsteriskSettings
from connectors.asterisk.tables import Shapes
from connectors.contract import CallRequest, SendRejected

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_EXTENSION = re.compile(r"[0-9A-Za-z_.]{1,20}")
_REQUEST_ID = re.compile(r"[0-9A-Za-z_.:-]{1,64}")
_NAME = re.compile(r"[^\w .-]")


def originate_headers(settings: AsteriskSettings, shapes: Shapes, request: CallRequest) -> dict[str, str]:
    """Headers of the action. Raises `SendRejected` (not retryable) for anything that is not a plain number."""
    if not _REQUEST_ID.fullmatch(request.id):
        raise SendRejected("Недопустимый идентификатор звонка.", retryable=False, code="bad_request")
    if not _E164.fullmatch(request.number):
        raise SendRejected(
            "Номер клиента записан не полностью: нужен вид +79161234567.", retryable=False, code="number"
        )
    if not _EXTENSION.fullmatch(request.extension) or shapes.extension(request.extension) is None:
        raise SendRejected("У сотрудника не указан внутренний номер.", retryable=False, code="extension")
    name = _NAME.sub(" ", plain(request.caller_name or "", 60)).strip()
    return {
        "Channel": settings.originate_channel.format(extension=request.extension),
        "Context": settings.originate_context,
        "Exten": dialled(settings, request.number),
        "Priority": "1",
        "CallerID": f'"{name}" <{request.number}>' if name else f"<{request.number}>",
        "Timeout": str(int(settings.originate_timeout * 1000)),
        "Variable": f"__FIRSTLINE_REQUEST={request.id}",
        "Async": "true",
    }


def dialled(settings: AsteriskSettings, number: str) -> str:
    """An E.164 number as the dialplan wants it. The national form of other countries stays the international one."""
    digits = number.removeprefix("+")
    national = "8" + digits[1:] if digits.startswith("7") and len(digits) == 11 else digits
    return settings.originate_number.format(number=number, digits=digits, national=national)
