"""How one HTTP API wants to be asked, how its answers are read, and how long to go on asking."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from datetime import datetime

    import httpx

    from loaders.senders.facts import Batch, ItemAnswer


@dataclass(frozen=True, kw_only=True)
class Request:
    """What goes out for a batch."""

    method: str
    url: str
    body: tuple[bytes, ...]
    """The body in pieces; they are sent one after the other and never joined."""
    content_type: str = "application/json"


Encode = Callable[["Batch"], Request]
"""Returns the request for a batch."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """How one API wants to be asked, and how its answers are read."""

    url: str
    encode: Encode
    decode: Callable[[Batch, httpx.Response], tuple[ItemAnswer, ...]]
    """What a 2xx answer says about the items that were not simply taken."""
    per_item: bool = False
    """Whether each item has its own address, so that a 4xx speaks of the item."""
    instead: Mapping[int, Encode] = field(default_factory=dict)
    """Another way to ask, by the answer that calls for it, for all but deletions: `{404: create,
    409: update}` where what is not there yet has to be created by another request."""

    @property
    def shown(self) -> str:
        """The address without user, password and query."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to go on asking."""

    attempts: int = 8
    """Failures (5xx, no answer) of one batch."""
    slow_downs: int = 60
    """Times that one batch is told to slow down."""
    rounds: int = 4
    """Times that single items of an answered batch are sent again."""
    first_pause: float = 0.5
    longest_pause: float = 30.0
    longest_retry_after: float = 300.0
    retry: frozenset[int] = frozenset({408, 425, 429, 500, 502, 503, 504})

    def pause(self, attempt: int, jitter: float) -> float:
        """Return the seconds to wait after the n-th failure; `jitter` is between 0 and 1.

        "Equal jitter" of https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
        """
        full = min(self.longest_pause, self.first_pause * 2.0 ** (attempt - 1))
        return full / 2 + full / 2 * jitter


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds a Retry-After header asks for (RFC 9110 §10.2.3), or None."""
    value = headers.get("Retry-After", "").strip()
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
    except (ValueError, TypeError):
        return None
