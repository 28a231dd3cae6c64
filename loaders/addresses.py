"""Addresses: read, or refused in words that give nothing of them away, and fit to be shown."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from loaders.errors import SettingMissing

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = re.compile(
    r"token|secret|passw|pwd|signature|\bsig\b|credential|auth(?!or)|session"
    r"|key$|^code$|jwt|^app_?id$",
    re.IGNORECASE,
)
LOOPBACK = re.compile(r"localhost|::1|127(\.\d+){3}")


@contextmanager
def read_address(example: str) -> Iterator[None]:
    """Tell what is wrong with an address that a library cannot read.

    Nothing of it is repeated: what stands where a port should be may be half a password.

    Args:
        example: how such an address is written.

    Raises:
        SettingMissing: it cannot be read, or no driver for it is installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise SettingMissing(
            f"The address asks for the driver '{error.name}', which is not installed. Install it "
            f"(pip install {error.name}) and name it in pyproject.toml, or write the address with "
            "another driver."
        ) from error
    except (ValueError, IndexError):
        raise SettingMissing(
            f"An address cannot be read. Write it as {example}, the port as a number, and in user "
            "and password @ as %40, : as %3A, / as %2F, # as %23, % as %25. It is looked for in "
            "SOURCES__<source>__URL and .dlt/secrets.toml."
        ) from None


def is_here(url: str) -> bool:
    """Tell whether a URL leads to this machine by its loopback, which no proxy knows of."""
    return LOOPBACK.fullmatch(urlsplit(url).hostname or "") is not None


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
