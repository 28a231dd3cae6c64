"""What the service counts of itself, for /metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Histogram

if TYPE_CHECKING:
    from collections.abc import Sequence

BUCKETS: Final[Sequence[float]] = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
KNOWN: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Counters:
    """Requests by route and status, and items of batches."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "tidemill_http_requests_total",
            "HTTP requests answered.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "tidemill_http_request_duration_seconds",
            "Time from a request to the end of its answer.",
            ["route"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._items = Counter(
            "tidemill_intake_items_total",
            "Items of batches, by what became of them.",
            ["resource", "result"],
            registry=self.registry,
        )

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        known = method if method in KNOWN else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def items(self, resource: str, successful: int, failed: int) -> None:
        """Count the items of one batch."""
        self._items.labels(resource, "accepted").inc(successful)
        self._items.labels(resource, "refused").inc(failed)
