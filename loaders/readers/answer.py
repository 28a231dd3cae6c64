"""What an API's answer says: JSON, a JSON object in each line, or CSV, in whatever encoding."""

from __future__ import annotations

import csv
import re
from io import StringIO
from typing import TYPE_CHECKING, Any, Final

from loaders.addresses import shown_url
from loaders.errors import SourceUnreachable
from loaders.exact import parsed
from loaders.naming import numbered

if TYPE_CHECKING:
    import requests

NO_CONTENT: Final = 204
LINES: Final = ("ndjson", "jsonl", "jsonlines", "json-lines", "json-stream", "json-seq")
TABLES: Final = ("csv", "tab-separated")
OTHERS: Final = ("html", "xml")
DELIMITERS: Final = ",;\t|"
LONGEST: Final = 1 << 30
"""Characters of a field."""
CHARSET: Final = re.compile(r"charset=\"?([\w.-]+)", re.IGNORECASE)
UTF_8: Final = ("utf-8", "utf8", "us-ascii", "ascii")
SHOWN: Final = 60
ASK: Final = (
    ' CSV or JSON Lines by another name are asked for: "headers": {"Accept": "text/csv"}, or '
    '"application/x-ndjson", in its endpoint.'
)


def read(response: requests.Response) -> str:
    """Give an answer its `json()`; return what is wrong with it, '' if nothing is.

    Of an answer in lines or in CSV it is the list of its rows, of one without content None.
    """
    kind = _kind(response)
    if response.status_code == NO_CONTENT:
        return _says(response, None)
    try:
        if any(name in kind for name in LINES):
            return _says(response, [parsed(x) for x in _utf8(response).split(b"\n") if x.strip()])
        if any(name in kind for name in TABLES):
            return _says(response, _csv(_utf8(response).decode("utf-8-sig")))
        if "json" in kind:
            return _says(response, parsed(_utf8(response)))
    except (ValueError, LookupError, csv.Error) as error:
        name = "CSV" if any(name in kind for name in TABLES) else "JSON"
        return f"its {name}, which begins '{_begin(response)}', is cut off or broken ({error})"
    response.json = lambda **_: _unnamed(response)  # type: ignore[method-assign]
    return ""


def _kind(response: requests.Response) -> str:
    """Return the type of an answer; where lines or CSV were asked for, an unclear one is that."""
    told = response.headers.get("Content-Type", "").lower()
    asked = str(response.request.headers.get("Accept", "")).lower()
    if any(name in told for name in OTHERS):
        return told
    wanted = LINES if "json" in told else (*LINES, *TABLES)
    return asked if any(name in asked for name in wanted) else told


def _says(response: requests.Response, document: Any) -> str:
    response.json = lambda **_: document  # type: ignore[method-assign]
    return ""


def _unnamed(response: requests.Response) -> Any:
    """Return the JSON of an answer that is not called so.

    Raises:
        SourceUnreachable: it is none, but, say, a page that asks for patience.
    """
    try:
        return parsed(_utf8(response))
    except (ValueError, LookupError):
        kind = response.headers.get("Content-Type") or "something without a type"
        is_other = any(name in kind for name in OTHERS)
        raise SourceUnreachable(
            f"'{shown_url(str(response.url))}' answers {kind} in place of JSON: "
            f"'{_begin(response)}'. Look whether it is the right address, or load again later; "
            f"nothing is lost.{'' if is_other else ASK}"
        ) from None


def _begin(response: requests.Response) -> str:
    text = response.content[: 4 * SHOWN].decode(errors="replace")
    return " ".join(text.split())[:SHOWN]


def _utf8(response: requests.Response) -> bytes:
    charset = CHARSET.search(response.headers.get("Content-Type", ""))
    if charset is None or charset[1].lower() in UTF_8:
        return response.content
    return response.content.decode(charset[1]).encode()


def _csv(text: str) -> list[Any]:
    """Return the rows of a CSV document; one with too many or too few fields as their list.

    What stands between fields is what stands in the first line most often.
    """
    csv.field_size_limit(LONGEST)
    first = text.lstrip().partition("\n")[0]
    between = max(DELIMITERS, key=first.count)
    lines = csv.reader(StringIO(text, newline=""), strict=True, delimiter=between)
    header, *rows = [row for row in lines if row] or [[]]
    names = numbered(header)
    return [
        dict(zip(names, (value or None for value in row), strict=True))
        if len(row) == len(names)
        else row
        for row in rows
    ]
