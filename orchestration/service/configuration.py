"""The service's settings, read from the environment in one place."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from orchestration.errors import SettingWrong

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one caller may ask for. Each is set by TIDEMILL_SERVICE_<NAME>."""

    batch_items: int = 100
    """Items in one batch."""
    body_bytes: int = 1_048_576
    """Bytes of one request's body."""
    large_body_bytes: int = 4_294_967_296
    """Bytes of the body of a large batch, which is kept on disk and not in memory."""
    item_bytes: int = 65_536
    """Bytes of one item of a large batch."""
    request_seconds: float = 30.0
    """Seconds until an answer must have begun."""
    idle_seconds: float = 30.0
    """Seconds that a large body may stand still."""
    export_seconds: float = 3600.0
    """Seconds that one export may take."""
    exports_at_once: int = 4
    """Exports under way at the same time."""
    requests_per_second: float = 500.0
    """Requests of one token, or of one address where no token is needed."""
    burst: float = 1000.0
    """Requests that a caller who was silent may make at once."""
    keep_hours: float = 24.0
    """Hours that results of large batches and answers to Idempotency-Keys are kept."""
    keep_days: float = 30.0
    """Days that the intake store keeps an item after a newer one of its id has come."""
    large_batches: int = 20
    """Large batches that may wait or be at work at the same time."""


@dataclass(frozen=True, kw_only=True)
class Binding:
    """Where the service listens and whom it trusts."""

    host: str = "127.0.0.1"
    port: int = 8080
    needs_tokens: bool = False
    """Whether every caller must bring a token. Only a loopback address may go without."""
    hosts: tuple[str, ...] = ()
    """Further names by which callers reach the service; empty: any, once tokens are needed."""

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches the service."""
        return self.host in LOOPBACK

    @property
    def is_open(self) -> bool:
        """Whether callers may go without a token."""
        return self.is_loopback and not self.needs_tokens


LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def read_limits(environment: Mapping[str, str] | None = None) -> Limits:
    """Read the limits.

    Raises:
        SettingWrong: one of them is no number, or not more than 0.
    """
    given = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    for field in fields(Limits):
        name = f"TIDEMILL_SERVICE_{field.name.upper()}"
        if text := given.get(name):
            values[field.name] = _number(name, text, whole=field.type == "int")
    return Limits(**values)


def _number(name: str, text: str, *, whole: bool) -> float:
    try:
        number = int(text) if whole else float(text)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        kind = "whole number" if whole else "number"
        raise SettingWrong(f"Cannot use {name}='{text}': not a {kind} above 0. Correct it.")
    return number
