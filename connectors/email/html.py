"""HTML of strangers: made safe to show, turned into plain text.

Safe means: no scripts, no forms, few style properties, and nothing is fetched when the letter is opened (a picture
that loads tells the sender that the letter was read). The address of a remote picture moves to `data-src`, where a
person may load it on purpose; pictures inside the letter (`cid:`) stay.
"""

from __future__ import annotations

import re
import secrets
from collections import Counter
from html import escape, unescape
from html.parser import HTMLParser

import nh3

from connectors.email.charset import clean

MAX_HTML = 1024 * 1024
MAX_DEPTH = 400
MAX_ENTITIES = 50_000
TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,20})")
_FLAT = "area base br col dd dt embed hr img input li link meta option p param source td th tr wbr"
FLAT = frozenset(_FLAT.split())
"""Elements that are empty or closed by the next of their kind, so that they do not nest without others."""


def _words(text: str) -> set[str]:
    return set(text.split())


TAGS = _words(
    "a abbr b big blockquote br caption center cite code col colgroup dd del div dl dt em font h1 h2 h3 h4 h5 h6 hr"
    " i img ins kbd li ol p pre q s samp small span strike strong sub sup table tbody td tfoot th thead tr tt u"
    " ul"
)
DROP_WITH_CONTENT = {"script", "style", "title", "head", "noscript", "iframe", "object", "svg", "math", "template"}
COMMON = {"style", "align", "valign", "dir", "lang", "title"}
SIZED = {"width", "height", "bgcolor"}
ATTRIBUTES = {
    "*": COMMON,
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "font": {"color", "face", "size"},
    "td": {"colspan", "rowspan", *SIZED},
    "th": {"colspan", "rowspan", *SIZED},
    "table": {"border", "cellpadding", "cellspacing", *SIZED},
    "tr": SIZED,
    "col": {"span", "width"},
    "ol": {"start", "type"},
    "li": {"value"},
}
STYLES = _words(
    "color background-color font-family font-size font-style font-weight text-align text-decoration line-height"
    " white-space vertical-align padding padding-left padding-right padding-top padding-bottom border border-collapse"
    " border-color border-left border-top border-bottom border-right width height list-style-type"
)
SCHEMES = {"http", "https", "mailto", "tel", "cid", "data"}
INLINE_IMAGE = re.compile(r"cid:|data:image/(?:png|jpe?g|gif|webp);base64,", re.IGNORECASE)


def is_tangled(html: str) -> bool:
    """Nested deeper or more riddled with entities than letters are: the sanitizer would need minutes for it."""
    depth, open_tags = 0, Counter[str]()
    for closing, name in TAG.findall(html):
        tag = name.lower()
        if tag in FLAT or (closing and not open_tags[tag]):
            continue
        step = -1 if closing else 1
        open_tags[tag] += step
        depth += step
        if depth > MAX_DEPTH:
            return True
    return html.count("&") > MAX_ENTITIES


def bare_text(html: str) -> str:
    """The words of HTML that is too tangled to be understood."""
    return _tidy(unescape(re.sub(r"<[^<>]*>", "\n", clean(html)[:MAX_HTML])))


def safe(html: str) -> str:
    """Sanitized HTML of a letter that is not tangled."""
    # An unguessable mark, so that no letter can contain it: what carries it was written by the filter below.
    mark = f"cid:{secrets.token_hex(12)}:"

    def allow(tag: str, attribute: str, value: str) -> str | None:
        if tag == "img" and attribute == "src" and not INLINE_IMAGE.match(value.strip()):
            return mark + value
        if tag == "a" and attribute == "href" and value.strip().lower().startswith(("data:", "cid:")):
            return None
        return value

    result = nh3.clean(
        clean(html)[:MAX_HTML],
        tags=TAGS,
        clean_content_tags=DROP_WITH_CONTENT,
        attributes=ATTRIBUTES,
        attribute_filter=allow,
        filter_style_properties=STYLES,
        url_schemes=SCHEMES,
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
    return result.replace(f'src="{mark}', 'data-src="')


def from_text(text: str) -> str:
    """Plain text as safe HTML that keeps its lines."""
    return f'<div style="white-space:pre-wrap">{escape(text)}</div>'


BLOCKS = _words(
    "address article blockquote center dd div dl dt fieldset footer form h1 h2 h3 h4 h5 h6 header hr li main ol p pre"
    " section table tr ul"
)
PARAGRAPHS = _words("p h1 h2 h3 h4 h5 h6 ul ol table blockquote pre")


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[str] = []
        self.quotes: list[int] = []
        self.link: tuple[str, int] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self.out.append("\n")
        elif tag in ("td", "th"):
            self.out.append(" ")
        elif tag in BLOCKS:
            self._break(tag)
        if tag == "li":
            self.out.append("• ")
        elif tag == "a":
            self.link = (dict(attrs).get("href") or "", len(self.out))
        elif tag == "blockquote":
            self.quotes.append(len(self.out))

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self.link is not None:
            self._end_link(*self.link)
            self.link = None
        elif tag == "blockquote" and self.quotes:
            start = self.quotes.pop()
            quoted = _tidy("".join(self.out[start:]))
            self.out[start:] = ["\n\n", "\n".join("> " + line for line in quoted.split("\n")), "\n\n"]
        elif tag in BLOCKS:
            self._break(tag)

    def _at_line_start(self) -> bool:
        return not self.out or self.out[-1].endswith("\n")

    def _break(self, tag: str) -> None:
        if tag in PARAGRAPHS:
            self.out.append("\n\n")
        elif not self._at_line_start():
            self.out.append("\n")

    def _end_link(self, href: str, start: int) -> None:
        """The address is shown when the words do not say it already."""
        words = "".join(self.out[start:]).strip()
        if href.startswith(("http://", "https://")) and href.rstrip("/") not in (words, words.rstrip("/")) and words:
            self.out.append(f" ({href})")

    def handle_data(self, data: str) -> None:
        words = re.sub(r"\s+", " ", data)
        if words != " " or not self._at_line_start():
            self.out.append(words)


def _tidy(text: str) -> str:
    lines = [re.sub(r"[ \u00a0]+", " ", line).strip() for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def to_text(safe_html: str) -> str:
    """What a person reads of sanitized HTML, with paragraphs, list marks and `> ` before quoted parts.

    Only the sanitizer's tidy output is taken: on raw HTML the standard parser can need quadratic time.
    """
    parser = _Text()
    parser.feed(safe_html)
    parser.close()
    return _tidy("".join(parser.out))
