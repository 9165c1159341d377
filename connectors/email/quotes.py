"""Where the new words of a letter end and the quoted history begins.

The timeline already holds the earlier letters, so its text shows only what is new. Only trailing history is cut: an
answer written between quoted lines stays whole, and so does a forwarded letter, because there the old letter is the
message. Nothing is lost: the full letter stays in `MailFacts.html`.
"""

from __future__ import annotations

import re

ATTRIBUTION = re.compile(
    r"""^(
        .{0,200}\b(пишет|писал|писала|писал\(а\)|написал|написала|написал\(а\)|wrote|schrieb|a\ écrit)\s*:?\s*$
      | -{2,}\s*(исходное\ сообщение|original\ message|ursprüngliche\ nachricht)\s*-{2,}.*
      | .{0,200}<[^<>\s]+@[^<>\s]+>\s*:\s*$
      | _{20,}\s*$
    )""",
    re.IGNORECASE | re.VERBOSE,
)
FROM_LINE = re.compile(r"^\**(от|from|отправитель)\s*:\**\s*\S", re.IGNORECASE)
DATE_LINE = re.compile(r"^\**(отправлено|дата|date|sent)\s*:\**\s*\S", re.IGNORECASE)
FORWARD = re.compile(r"-{3}.{0,80}(пересыл|перенаправл|forwarded).{0,80}-{3}|^(fwd?|пересл)\s*:", re.IGNORECASE)
MAX_LINE = 300
"""Attributions are short; the patterns below are not meant for lines of a megabyte."""
HAS_MOMENT = re.compile(r"\d{1,2}[:.]\d{2}|\d{4}|<[^>]+@[^>]+>|@")


def without_history(text: str) -> str:
    """The new words of a letter; the whole text when nothing else would remain or when it is a forward."""
    lines = text.split("\n")
    heads = [line[:MAX_LINE] for line in lines]
    for number, line in enumerate(heads):
        if FORWARD.search(line):
            return text
        if _opens_history(heads, number):
            kept = "\n".join(lines[:number]).strip()
            return kept or text
    return _without_trailing_quote(lines) or text


def _opens_history(lines: list[str], number: int) -> bool:
    line = lines[number].strip()
    if line.startswith(">"):
        return False
    if FROM_LINE.match(line):
        return any(DATE_LINE.match(following.strip()) for following in lines[number + 1 : number + 4])
    if not ATTRIBUTION.match(line):
        return False
    if line.startswith(("-", "_")):
        return not line.startswith("_") or any(FROM_LINE.match(item.strip()) for item in lines[number + 1 : number + 3])
    # Mail programs break the attribution in two; «Иван пишет:» in the middle of a story has no moment and no address.
    around = " ".join(lines[max(0, number - 1) : number + 1])
    rest = [item for item in lines[number + 1 :] if item.strip()]
    quoted = bool(rest) and all(item.lstrip().startswith(">") for item in rest)
    return quoted or (HAS_MOMENT.search(around) is not None and not any(i.lstrip().startswith(">") for i in rest))


def _without_trailing_quote(lines: list[str]) -> str:
    end = len(lines)
    while end and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith(">")):
        end -= 1
    return "\n".join(lines[:end]).strip()
