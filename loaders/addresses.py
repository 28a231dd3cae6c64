"""Addresses fit to be shown and stored: without user, password and secrets in the query."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

SECRET = re.compile(
    r"token|secret|passw|pwd|signature|\bsig\b|credential|auth(?!or)|session|api[_-]?key|access[_-]?key"
    r"|^key$|^code$|jwt",
    re.IGNORECASE,
)


def shown_url(url: str) -> str:
    """Return a URL without user and password, and with `***` for what its query keeps secret."""
    parts = urlsplit(url)
    query = [
        (name, "***" if SECRET.search(name) else value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    ]
    place = parts.netloc.rpartition("@")[2]
    text = urlencode(query, quote_via=quote, safe="*:/,")
    return urlunsplit((parts.scheme, place, parts.path, text, ""))
