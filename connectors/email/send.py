"""The way out: one SMTP session for one letter, and the copy in the Sent folder.

What a server answers decides by a table what happens next: a 5xx is final, a 4xx is tried again, a refused login stops
the channel, a lost connection is tried again with the same Message-ID (after DATA it may have arrived all the same).
The copy in Sent is a courtesy: its failure is reported and never sends a letter again.
"""

from __future__ import annotations

import asyncio
import ssl

import aiosmtplib

from connectors.contract import AuthFailed, ConnectorError, Misconfigured, NotReady, SendRejected
from connectors.email.mailbox import network_error, open_mailbox, tls_context
from connectors.email.settings import EmailSettings, SmtpSettings

TIMEOUT = 60.0
REFUSALS = {
    421: "Почтовый сервер сейчас занят.",
    450: "Почтовый ящик получателя сейчас недоступен.",
    451: "Почтовый сервер не смог обработать письмо.",
    452: "У почтового сервера не хватает места или превышен предел отправки.",
    550: "Почтовый сервер не принял письмо: такого ящика нет или отправка запрещена.",
    551: "Почтовый сервер не принял письмо: получатель не здесь.",
    552: "Письмо слишком большое или ящик получателя переполнен.",
    553: "Почтовый сервер не принял адрес.",
    554: "Почтовый сервер не принял письмо (часто: сочтено спамом).",
}


async def send(raw: bytes, recipient: str, settings: EmailSettings) -> None:
    """Hand the raw letter to the SMTP server. Raises `SendRejected`, `NotReady`, `AuthFailed`, `Misconfigured`."""
    smtp = _smtp(settings)
    client = await asyncio.to_thread(_client, smtp)  # reads the system's certificates
    try:
        await connect(client, settings)
        refused, _ = await client.sendmail(settings.address, [recipient], raw)
    except (aiosmtplib.SMTPException, OSError) as error:
        raise translate(error, smtp) from error
    finally:
        await _quit(client)
    if refused:  # partial refusals are returned, not raised
        answer = next(iter(refused.values()))
        raise _rejected(answer.code)


async def try_login(settings: EmailSettings) -> None:
    """Connect and log in without sending."""
    smtp = _smtp(settings)
    client = await asyncio.to_thread(_client, smtp)  # reads the system's certificates
    try:
        await connect(client, settings)
    except (aiosmtplib.SMTPException, OSError) as error:
        raise translate(error, smtp) from error
    finally:
        await _quit(client)


def _smtp(settings: EmailSettings) -> SmtpSettings:
    if settings.smtp is None:
        raise Misconfigured("Отправка не настроена: добавьте в раздел соединителя ключ smtp.")
    return settings.smtp


def _client(smtp: SmtpSettings) -> aiosmtplib.SMTP:
    return aiosmtplib.SMTP(
        hostname=smtp.host,
        port=smtp.port,
        use_tls=smtp.tls == "ssl",
        start_tls=smtp.tls == "starttls",
        tls_context=tls_context(smtp) if smtp.tls != "none" else None,
        timeout=TIMEOUT,
    )


async def connect(client: aiosmtplib.SMTP, settings: EmailSettings) -> None:
    """Greet and log in: with the names given for SMTP, else with those of IMAP where the server asks for any; an empty
    `smtp.username` means no login at all."""
    smtp = _smtp(settings)
    await client.connect()
    if client.is_ehlo_or_helo_needed:
        await client.ehlo()
    own_login = bool(smtp.username)
    # A relay in the company's own network often asks for no login; then the IMAP one is not pressed on it.
    if smtp.username != "" and (own_login or client.supports_extension("auth")):
        password = smtp.password if smtp.password is not None else settings.imap.password
        await client.login(smtp.username or settings.imap.username, password.get_secret_value())


async def _quit(client: aiosmtplib.SMTP) -> None:
    try:
        if client.is_connected:
            await client.quit(timeout=5)
    except (aiosmtplib.SMTPException, OSError):
        client.close()


def translate(error: Exception, smtp: SmtpSettings) -> ConnectorError:
    """What an SMTP failure means for the outbox. The answer's text is not repeated: it may name people."""
    place = f"{smtp.host}:{smtp.port}"
    match error:
        case aiosmtplib.SMTPAuthenticationError():
            if 400 <= error.code < 500:
                return NotReady(f"Сервер отправки {place} сейчас не пускает (код {error.code}); пробуем снова.")
            return AuthFailed(
                f"Сервер отправки {place} не принял имя или пароль (код {error.code}): проверьте smtp.username и"
                " smtp.password, часто нужен пароль приложения."
            )
        case aiosmtplib.SMTPRecipientsRefused():
            return _rejected(error.recipients[0].code)
        case aiosmtplib.SMTPConnectResponseError() | aiosmtplib.SMTPHeloError():
            return NotReady(f"Сервер отправки {place} не готов (код {error.code}); пробуем снова.")
        case aiosmtplib.SMTPResponseException():
            return (
                NotReady(f"Сервер отправки {place} закрывается; пробуем снова.")
                if error.code == 421
                else _rejected(error.code)
            )
        case aiosmtplib.SMTPNotSupported():
            return Misconfigured(
                f"Сервер отправки {place} не умеет того, что задано: проверьте ключи smtp.tls и smtp.username."
            )
        case aiosmtplib.SMTPException() if not isinstance(error, OSError):
            return Misconfigured(
                f"Сервер отправки {place} не договорился о защите связи: проверьте ключи smtp.tls и smtp.port."
            )
        case _:
            cause = error.__cause__ if isinstance(error.__cause__, OSError | ssl.SSLError) else error
            return network_error(smtp, "smtp", cause)


def _rejected(code: int) -> SendRejected:
    retryable = 400 <= code < 500
    known = REFUSALS.get(code) or "Почтовый сервер не принял письмо."
    return SendRejected(f"{known} Код {code}.", retryable=retryable, code=str(code))


async def keep_copy(letter: bytes, settings: EmailSettings) -> None:
    """Append the letter to the Sent folder. Raises a `ConnectorError` whose text says what to do."""
    if settings.sent_folder == "none":
        return
    mailbox = await open_mailbox(settings.imap)
    try:
        folder = settings.sent_folder or await mailbox.sent_folder()
        if folder is not None:
            await mailbox.append(letter, folder)
    finally:
        await mailbox.close()
