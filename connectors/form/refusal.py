"""Why a post is not taken: a status, a sentence, the wrong fields. `replies.py` turns it into an answer."""

from __future__ import annotations

from connectors.form.texts import Message

FieldErrors = dict[str, Message]


class Refusal(Exception):
    """A post that is refused. `code` names the title in `texts.py`; the detail is `code` + `_detail`."""

    def __init__(
        self, status: int, code: str, *, fields: FieldErrors | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.fields: FieldErrors = fields or {}
        self.retry_after = retry_after
        """Seconds, for `Retry-After`."""


def wrong_body(message: Message) -> Refusal:
    """The post as a whole cannot be read: reported under the name `body`."""
    return Refusal(422, "wrong_fields", fields={"body": message})
