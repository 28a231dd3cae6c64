"""An HTTP session that keeps to a rate, waits when told to, and asks again when an answer fails.

For dlt's rest_api (`"client": {"session": session(Manners(rate=5))}`) and for `numbered_pages`.
"""

from __future__ import annotations

import json
import random
import re
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import orjson
import requests
from dlt.sources.helpers.requests import Session
from requests.adapters import HTTPAdapter
from requests.hooks import default_hooks, dispatch_hook

from loaders.addresses import shown_url
from loaders.errors import SourceUnreachable
from loaders.senders.endpoint import Patience, retry_after
from loaders.senders.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable

SLOW_DOWN: Final = 429
TRANSIENT: Final = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)


@dataclass(frozen=True, kw_only=True)
class Manners:
    """How an API may be asked."""

    rate: float | None = None
    """Calls a second to one host; None for no limit of ours."""
    burst: int = 2
    """Calls that may go out at once after a pause; with 1 no moment that was lost is made up."""
    at_once: int = 4
    """Calls to one host that may be under way side by side."""
    timeout: float = 60.0
    """Seconds to wait for an answer."""
    patience: Patience = field(default_factory=Patience)
    """How often and how long to ask again; `first_pause` doubles each time, with jitter."""


@dataclass(frozen=True, kw_only=True)
class _Door:
    """Where the calls to one host go out."""

    pace: Pace
    room: threading.BoundedSemaphore


class PoliteSession(Session):
    """A requests session with manners; threads may share it."""

    def __init__(
        self, manners: Manners | None = None, *, jitter: Callable[[], float] = random.random
    ) -> None:
        self.manners = manners or Manners()
        super().__init__(timeout=self.manners.timeout, raise_for_status=False)
        self.jitter = jitter
        self.doors: dict[str, _Door] = {}
        self.lock = threading.Lock()
        adapter = HTTPAdapter(pool_maxsize=self.manners.at_once)
        self.mount("http://", adapter)
        self.mount("https://", adapter)

    def send(self, request: requests.PreparedRequest, **settings: Any) -> requests.Response:
        """Return the first answer that is neither 'slow down' nor a failure.

        Raises:
            SourceUnreachable: there is none after all attempts, or it asks us to wait too long.
        """
        hooks, request.hooks = request.hooks, default_hooks()  # they see the last answer only
        door = self._door(str(request.url))
        failures = slow_downs = 0
        while True:
            response, problem = self._try(door, request, settings)
            if response is not None and not problem:
                answer: requests.Response = dispatch_hook("response", hooks, response, **settings)
                return answer
            if response is not None and response.status_code == SLOW_DOWN:
                slow_downs += 1
            else:
                failures += 1
            patience = self.manners.patience
            if failures >= patience.attempts or slow_downs >= patience.slow_downs:
                raise self._given_up(request, problem, failures + slow_downs)
            self._wait(door, request, response, failures or slow_downs)

    def _try(
        self, door: _Door, request: requests.PreparedRequest, settings: dict[str, Any]
    ) -> tuple[requests.Response | None, str]:
        """Ask once; return the answer if there is one, and what is wrong with it."""
        with door.room:
            door.pace.take()
            try:
                response = self._send(request, **settings)
            except TRANSIENT as error:
                return None, f"{_plain(error)}"
        if response.status_code in self.manners.patience.retry:
            return response, f"it answers {response.status_code}"
        return response, _read(response) if response.ok else ""

    def _send(self, request: requests.PreparedRequest, **settings: Any) -> requests.Response:
        settings.setdefault("timeout", self.timeout)
        return requests.Session.send(self, request, **settings)

    def _wait(
        self,
        door: _Door,
        request: requests.PreparedRequest,
        response: requests.Response | None,
        times: int,
    ) -> None:
        """Wait as long as the far side asks for, else longer each time.

        Told to slow down, all calls to that host wait.
        """
        patience = self.manners.patience
        asked = retry_after(response.headers, datetime.now(UTC)) if response is not None else None
        if asked is not None and asked > patience.longest_retry_after:
            raise SourceUnreachable(
                f"'{shown_url(str(request.url))}' asks to wait {asked:.0f} s, longer than a load "
                "waits. Load again then; nothing is lost."
            )
        seconds = patience.pause(times, self.jitter()) if asked is None else asked
        if asked is not None or (response is not None and response.status_code == SLOW_DOWN):
            door.pace.hold(seconds)
        else:
            door.pace.sleep(seconds)

    def _door(self, url: str) -> _Door:
        host = urlsplit(url).netloc
        with self.lock:
            if host not in self.doors:
                pace = Pace(rate=self.manners.rate, burst=self.manners.burst)
                room = threading.BoundedSemaphore(self.manners.at_once)
                self.doors[host] = _Door(pace=pace, room=room)
            return self.doors[host]

    def _given_up(
        self, request: requests.PreparedRequest, problem: str, times: int
    ) -> SourceUnreachable:
        return SourceUnreachable(
            f"'{shown_url(str(request.url))}' gave no answer: {problem}, {times} times. Check that "
            "it runs, and its address (SOURCES__<SOURCE>__BASE_URL, or .dlt/config.toml). Nothing "
            "is lost: the next load goes on from the last committed one."
        )


def _read(response: requests.Response) -> str:
    """Return what is wrong with the JSON of an answer: '' if nothing is, or if it is none."""
    if "json" not in response.headers.get("Content-Type", ""):
        return ""
    try:
        document = orjson.loads(response.content)
    except orjson.JSONDecodeError as error:
        try:
            document = json.loads(response.content)  # takes NaN, as some servers write
        except ValueError:
            return f"its JSON is cut off or broken ({error})"
    response.json = lambda **_: document  # type: ignore[method-assign]
    return ""


def _plain(error: Exception) -> str:
    """Return an error without the address in it, which may hold a secret."""
    if isinstance(error, requests.Timeout):
        return "it does not answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "its answer is cut off"
    reason = re.search(r"\[Errno -?\d+\] ([A-Za-z ]+)", str(error))
    return reason.group(1) if reason else type(error).__name__
