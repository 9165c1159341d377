"""Every sentence of the form channel that a visitor may read, in Russian and English.

Errors travel through the code as a `Message` (a code and perhaps a number) and become words only here, when the
language of the visitor is known. So one check serves the JSON answer, the error page and the generated form.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from connectors.contract import OpenState

Language = Literal["ru", "en"]


class Message(NamedTuple):
    """What is to be said: a key of `TEXTS`, and the number or words that the sentence names."""

    code: str
    value: int | str = ""


TEXTS: dict[Language, dict[str, str]] = {
    "ru": {
        # fields
        "required": "Заполните это поле.",
        "phone_or_email": "Укажите телефон или почту, чтобы мы могли ответить.",
        "not_text": "Здесь должен быть текст.",
        "nested": "Вложенные значения не принимаются: нужна строка.",
        "broken": "Недопустимые символы: проверьте кодировку (нужна UTF-8).",
        "too_long": "Слишком длинно: не больше {value} символов.",
        "name_too_long": "Имя поля длиннее {value} символов.",
        "too_many_fields": "Слишком много полей: не больше {value}.",
        "phone": "Проверьте номер телефона: например, +7\u00a0916\u00a0123-45-67.",
        "email": "Проверьте адрес почты: например, ivan@example.ru.",
        "choice": "Выберите одно из: {value}.",
        "consent": "Чтобы отправить заявку, нужно согласие на обработку персональных данных.",
        "consent_value": "Ожидается true или false (в обычной форме — отмеченный флажок).",
        "key_too_long": "Ключ повтора длиннее {value} символов.",
        "file_too_large": "Файл слишком большой: не больше {value} МБ.",
        "too_many_files": "Слишком много файлов: не больше {value}.",
        "body_json": "Тело запроса — не JSON.",
        "body_object": 'Тело запроса должно быть объектом JSON: {{"name": …, "phone": …}}.',
        "body_multipart": "Тело запроса multipart/form-data повреждено.",
        # refusals: title and detail
        "wrong_fields": "Заявка заполнена неверно",
        "wrong_fields_detail": "Исправьте отмеченные поля и отправьте ещё раз.",
        "media_type": "Тип содержимого не поддерживается",
        "media_type_detail": (
            "Принимаются application/json, application/x-www-form-urlencoded и multipart/form-data "
            "в кодировке UTF-8, windows-1251, KOI8-R, CP866 или ISO-8859-5."
        ),
        "foreign_origin": "Сайт не разрешён",
        "foreign_origin_detail": "Приём заявок с этого сайта не настроен: добавьте его адрес в origins коннектора.",
        "too_many": "Слишком много заявок",
        "too_many_detail": "С вашего адреса пришло слишком много заявок. Повторите через {value} с.",
        "unavailable": "Приём заявок временно недоступен",
        "unavailable_detail": "Сейчас мы не можем сохранить заявку. Повторите через несколько секунд.",
        "method": "Метод не поддерживается",
        "method_detail": "Отправляйте заявку методом POST.",
        # answers
        "thanks": "Спасибо! Мы получили вашу заявку и ответим в ближайшее время.",
        "thanks_closed": "Спасибо! Мы получили вашу заявку. Сейчас нерабочее время: ответим {value}.",
        # pages
        "title": "Оставьте заявку",
        "name": "Имя",
        "phone_label": "Телефон",
        "email_label": "Электронная почта",
        "equipment": "Тип оборудования",
        "comment": "Комментарий",
        "choose": "Не выбрано",
        "submit": "Отправить",
        "optional": "необязательно",
        "agree": "Я согласен на обработку персональных данных",
        "policy": "Политика обработки персональных данных",
        "trap": "Не заполняйте это поле",
        "back": "Вернуться",
        "back_hint": "Вернитесь на предыдущую страницу кнопкой браузера: введённое сохранится.",
        "sent": "Заявка отправлена",
    },
    "en": {
        "required": "Please fill in this field.",
        "phone_or_email": "Give a phone number or an email address so that we can answer.",
        "not_text": "Text is expected here.",
        "nested": "Nested values are not accepted: a string is expected.",
        "broken": "Invalid characters: check the encoding (UTF-8 is expected).",
        "too_long": "Too long: {value} characters at most.",
        "name_too_long": "The field name is longer than {value} characters.",
        "too_many_fields": "Too many fields: {value} at most.",
        "phone": "Check the phone number: for example, +7\u00a0916\u00a0123-45-67.",
        "email": "Check the email address: for example, ivan@example.com.",
        "choice": "Choose one of: {value}.",
        "consent": "Your consent to personal-data processing is needed to send the request.",
        "consent_value": "true or false is expected (in an ordinary form, a checked box).",
        "key_too_long": "The idempotency key is longer than {value} characters.",
        "file_too_large": "The file is too large: {value} MB at most.",
        "too_many_files": "Too many files: {value} at most.",
        "body_json": "The body is not JSON.",
        "body_object": 'The body must be a JSON object: {{"name": …, "phone": …}}.',
        "body_multipart": "The multipart/form-data body is damaged.",
        "wrong_fields": "The form has mistakes",
        "wrong_fields_detail": "Correct the marked fields and send it again.",
        "media_type": "Unsupported content type",
        "media_type_detail": (
            "application/json, application/x-www-form-urlencoded and multipart/form-data are accepted, "
            "in UTF-8, windows-1251, KOI8-R, CP866 or ISO-8859-5."
        ),
        "foreign_origin": "This site is not allowed",
        "foreign_origin_detail": "Forms of this site are not accepted: add its address to origins of the connector.",
        "too_many": "Too many requests",
        "too_many_detail": "Too many forms came from your address. Try again in {value} s.",
        "unavailable": "Forms cannot be accepted right now",
        "unavailable_detail": "We cannot store your request at the moment. Try again in a few seconds.",
        "method": "Method not allowed",
        "method_detail": "Send the form with POST.",
        "thanks": "Thank you! We have received your request and will answer shortly.",
        "thanks_closed": "Thank you! We have received your request. We are closed now and will answer {value}.",
        "title": "Send us a request",
        "name": "Name",
        "phone_label": "Phone",
        "email_label": "Email",
        "equipment": "Equipment type",
        "comment": "Comment",
        "choose": "Not chosen",
        "submit": "Send",
        "optional": "optional",
        "agree": "I agree to the processing of my personal data",
        "policy": "Personal-data policy",
        "trap": "Leave this field empty",
        "back": "Back",
        "back_hint": "Go back with the browser's button: what you typed is kept.",
        "sent": "Request sent",
    },
}

_MONTHS: dict[Language, tuple[str, ...]] = {
    "ru": (
        "января", "февраля", "марта", "апреля", "мая", "июня",
        "июля", "августа", "сентября", "октября", "ноября", "декабря",
    ),
    "en": (
        "January", "February", "March", "April", "May", "June",
        "July", "August", "September", "October", "November", "December",
    ),
}  # fmt: skip
_ON_DAY: dict[Language, tuple[str, ...]] = {
    "ru": ("в понедельник", "во вторник", "в среду", "в четверг", "в пятницу", "в субботу", "в воскресенье"),
    "en": ("on Monday", "on Tuesday", "on Wednesday", "on Thursday", "on Friday", "on Saturday", "on Sunday"),
}
_SOON: dict[Language, tuple[str, str]] = {"ru": ("сегодня", "завтра"), "en": ("today", "tomorrow")}
_FROM: dict[Language, str] = {"ru": "с", "en": "from"}


def say(language: Language, message: Message) -> str:
    """The sentence for this message."""
    return TEXTS[language][message.code].format(value=message.value)


def choose_language(accept_language: str) -> Language:
    """English only when the browser ranks it above Russian (RFC 9110, 12.5.4); Russian otherwise."""
    ranks = {"ru": 0.0, "en": 0.0}
    for item in accept_language.lower().split(",")[:20]:
        tag, _, parameter = item.strip().partition(";")
        language = tag.split("-")[0]
        if language in ranks:
            ranks[language] = max(ranks[language], _quality(parameter))
    return "en" if ranks["en"] > ranks["ru"] else "ru"


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    try:
        return float(value) if name == "q" else 1.0
    except ValueError:
        return 0.0


def thanks(language: Language, state: OpenState | None, now: datetime, zone: ZoneInfo, own: str | None) -> str:
    """What happens next, honestly: soon, or at the next opening. `own` replaces the sentence of open hours only."""
    if state is None or state.open or state.next_open is None:
        return own or say(language, Message("thanks"))
    return say(language, Message("thanks_closed", _opening(language, state.next_open, now, zone)))


def _opening(language: Language, opening: datetime, now: datetime, zone: ZoneInfo) -> str:
    """«в понедельник, 23 ноября, с 10:00» in the time zone of the company."""
    there, today = opening.astimezone(zone), now.astimezone(zone).date()
    days = (there.date() - today).days
    if 0 <= days <= 1:
        day = _SOON[language][days]
    else:
        day = f"{_ON_DAY[language][there.weekday()]}, {there.day}\u00a0{_MONTHS[language][there.month - 1]},"
    return f"{day} {_FROM[language]}\u00a0{there:%H:%M}"
