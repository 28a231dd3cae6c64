"""An HTTP session that keeps to a rate, waits when told to, and asks again when an answer fails.

For dlt's rest_api (`"client": {"session": session(Manners(rate=5))}`) and for `numbered_pages`.
"""

from __future__ import annotations

import random
import re
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import requests
from dlt.sources.helpers.requests import Session
from dlt.sources.helpers.rest_client.auth import OAuth2AuthBase, OAuth2ClientCredentials
from requests.adapters import HTTPAdapter
from requests.hooks import default_hooks, dispatch_hook

from loaders.addresses import SECRET, is_here, shown_url
from loaders.errors import SourceUnreachable
from loaders.readers.answer import read
from loaders.senders.endpoint import Patience, retry_after
from loaders.senders.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable

SLOW_DOWN: Final = 429
REFUSED: Final = 401
FORBIDDEN: Final = 403
REMAINING: Final = ("X-RateLimit-Remaining", "X-Rate-Limit-Remaining", "RateLimit-Remaining")
RESET: Final = ("X-RateLimit-Reset", "X-Rate-Limit-Reset", "RateLimit-Reset")
"""When calls are allowed again: seconds from now, or since 1970."""
A_YEAR: Final = 31_536_000
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

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Return a request that knows how to renew its token."""
        prepared = super().prepare_request(request)
        if isinstance(request.auth, OAuth2AuthBase):
            prepared.renew = request.auth  # type: ignore[attr-defined]
        return prepared

    def send(self, request: requests.PreparedRequest, **settings: Any) -> requests.Response:
        """Return the first answer that is neither 'slow down' nor a failure.

        Raises:
            SourceUnreachable: there is none after all attempts, or it asks us to wait too long.
        """
        hooks, request.hooks = request.hooks, default_hooks()  # they see the last answer only
        follows = settings.pop("allow_redirects", True)
        response = self._answer(request, settings)
        if follows and response.is_redirect:
            # one by one, each by the door of its host, where this call no longer stands
            *passed, last = [response, *self.resolve_redirects(response, request, **settings)]
            response, last.history = last, passed
        answer: requests.Response = dispatch_hook("response", hooks, response, **settings)
        return answer

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Take what is secret out of a request that is sent on to another host."""
        if self.should_strip_auth(str(response.request.url), str(prepared_request.url)):
            for name in [name for name in prepared_request.headers if SECRET.search(name)]:
                del prepared_request.headers[name]
        super().rebuild_auth(prepared_request, response)

    def _answer(
        self, request: requests.PreparedRequest, settings: dict[str, Any]
    ) -> requests.Response:
        """Ask until there is an answer; of a redirection that is the redirection."""
        door = self._door(str(request.url))
        patience = self.manners.patience
        failures = slow_downs = 0
        is_renewed = False
        while True:
            response, problem = self._try(door, request, settings)
            if response is not None and not problem:
                if is_renewed or not _renewed(request, response):
                    return response
                is_renewed = True
                continue
            if response is not None and _is_slow_down(response):
                slow_downs += 1
            else:
                failures += 1
            if failures >= patience.attempts or slow_downs >= patience.slow_downs:
                raise self._given_up(request, problem, failures + slow_downs)
            self._wait(door, request, response, failures or slow_downs)
            if auth := getattr(request, "renew", None):
                auth(request)  # its token may have expired meanwhile

    def _try(
        self, door: _Door, request: requests.PreparedRequest, settings: dict[str, Any]
    ) -> tuple[requests.Response | None, str]:
        """Ask once; return the answer if there is one, and what is wrong with it."""
        settings = {"timeout": self.timeout, **settings, "allow_redirects": False}
        if is_here(str(request.url)):
            settings["proxies"] = self.proxies  # and not what the environment says of all hosts
        with door.room:
            door.pace.take()
            try:
                response = requests.Session.send(self, request, **settings)
            except TRANSIENT as error:
                return None, f"{_plain(error)}"
        if response.status_code in self.manners.patience.retry or _is_slow_down(response):
            return response, f"it answers {response.status_code}"
        return response, "" if response.is_redirect or not response.ok else read(response)

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
        asked = _asked_to_wait(response, datetime.now(UTC)) if response is not None else None
        if asked is not None and asked > patience.longest_retry_after:
            raise SourceUnreachable(
                f"'{shown_url(str(request.url))}' asks to wait {asked:.0f} s, longer than a load "
                "waits. Load again then; nothing is lost."
            )
        seconds = patience.pause(times, self.jitter()) if asked is None else asked
        if asked is not None or (response is not None and _is_slow_down(response)):
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


def _is_slow_down(response: requests.Response) -> bool:
    """Tell whether an answer means 'not so fast', as GitHub says it by 403, too."""
    if response.status_code != FORBIDDEN:
        return response.status_code == SLOW_DOWN
    return "Retry-After" in response.headers or _first(response, REMAINING) == "0"


def _asked_to_wait(response: requests.Response, now: datetime) -> float | None:
    """Return the seconds to wait that an answer asks for, if it does."""
    asked = retry_after(response.headers, now)
    if asked is not None or _first(response, REMAINING) != "0":
        return asked
    try:
        reset = float(_first(response, RESET))
    except ValueError:
        return None
    return max(reset - now.timestamp(), 0.0) if reset > A_YEAR else reset


def _first(response: requests.Response, names: tuple[str, ...]) -> str:
    return next((response.headers[name] for name in names if name in response.headers), "")


def _renewed(request: requests.PreparedRequest, response: requests.Response) -> bool:
    """Give a request whose token is refused another one; tell whether it has one now."""
    auth = getattr(request, "renew", None)
    if response.status_code != REFUSED or not isinstance(auth, OAuth2ClientCredentials):
        return False
    auth.access_token = None
    auth(request)
    return True


def _plain(error: Exception) -> str:
    """Return an error without the address in it, which may hold a secret."""
    if isinstance(error, requests.Timeout):
        return "it does not answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "its answer is cut off"
    reason = re.search(r"\[Errno -?\d+\] ([A-Za-z ]+)", str(error))
    return reason.group(1) if reason else type(error).__name__
