"""What an API's answer says: JSON, a JSON object in each line, or CSV, in whatever encoding."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Any, Final

from loaders.addresses import shown_url
from loaders.errors import SourceUnreachable
from loaders.exact import parsed

if TYPE_CHECKING:
    import requests

NO_CONTENT: Final = 204
LINES: Final = ("ndjson", "jsonl", "jsonlines", "json-lines", "json-stream")
CHARSET: Final = re.compile(r"charset=\"?([\w.-]+)", re.IGNORECASE)
UTF_8: Final = ("utf-8", "utf8", "us-ascii", "ascii")
SHOWN: Final = 60


def read(response: requests.Response) -> str:
    """Give an answer its `json()`; return what is wrong with it, '' if nothing is.

    Of an answer in lines or in CSV it is the list of its rows, of one without content None.
    """
    kind = response.headers.get("Content-Type", "").lower()
    if response.status_code == NO_CONTENT:
        return _says(response, None)
    try:
        if any(name in kind for name in LINES):
            return _says(response, [parsed(x) for x in _utf8(response).split(b"\n") if x.strip()])
        if "csv" in kind:
            return _says(response, _csv(_utf8(response).decode("utf-8-sig")))
        if "json" in kind:
            return _says(response, parsed(_utf8(response)))
    except (ValueError, LookupError, csv.Error) as error:
        name = "JSON" if "json" in kind else "CSV"
        return f"its {name} is cut off or broken ({error})"
    response.json = lambda **_: _unnamed(response)  # type: ignore[method-assign]
    return ""


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
        begins = " ".join(response.text[: 4 * SHOWN].split())[:SHOWN]
        raise SourceUnreachable(
            f"'{shown_url(str(response.url))}' answers {kind} in place of JSON: '{begins}'. Look "
            "whether it is the right address, or load again later; nothing is lost."
        ) from None


def _utf8(response: requests.Response) -> bytes:
    charset = CHARSET.search(response.headers.get("Content-Type", ""))
    if charset is None or charset[1].lower() in UTF_8:
        return response.content
    return response.content.decode(charset[1]).encode()


def _csv(text: str) -> list[Any]:
    """Return the rows of a CSV document; one with too many or too few fields as their list."""
    names, *rows = [row for row in csv.reader(text.splitlines(keepends=True), strict=True) if row]
    return [
        dict(zip(names, (value or None for value in row), strict=True))
        if len(row) == len(names)
        else row
        for row in rows
    ]
