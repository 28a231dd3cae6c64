"""What Prometheus reads: counts from the ledger, so that one-shot runs and the scheduler agree."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from orchestration import history
from orchestration.errors import SettingWrong
from orchestration.ledger_schema import BUCKETS, TOTALS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from prometheus_client.metrics_core import Metric

    from orchestration.ledger import Ledger


class Collector:
    """Reads the ledger each time Prometheus asks."""

    def __init__(
        self, ledger: Ledger, warehouse: str, waiting: Callable[[], Mapping[str, int]]
    ) -> None:
        self.ledger = ledger
        self.warehouse = warehouse
        self.waiting = waiting

    def collect(self) -> Iterable[Metric]:
        """Yield all metrics."""
        totals = self._totals()
        yield _counter("batch_jobs", "Runs that ended.", totals.get("jobs", {}))
        yield _durations(totals.get("seconds", {}))
        items = totals.get("items", {})
        yield _counter(
            "batch_items_processed", "Rows loaded, collapsed, rejected; items sent.", items
        )
        yield _queue(self.waiting())
        yield from self._freshness()

    def _totals(self) -> dict[str, dict[tuple[str, str], float]]:
        found: dict[str, dict[tuple[str, str], float]] = {}
        with self.ledger.transaction() as connection:
            for row in connection.execute(sa.select(TOTALS)):
                found.setdefault(row.metric, {})[row.job, row.label] = row.value
        return found

    def _freshness(self) -> Iterable[Metric]:
        from prometheus_client.core import GaugeMetricFamily

        news = GaugeMetricFamily(
            "batch_table_news_timestamp_seconds",
            "When a table last got something new.",
            labels=["source", "table"],
        )
        for (source, table), at in sorted(
            history.table_news_at(self.ledger, self.warehouse).items()
        ):
            news.add_metric([source, table], at.timestamp())
        yield news
        success = GaugeMetricFamily(
            "batch_job_success_timestamp_seconds", "When a job last completed.", labels=["job_type"]
        )
        for job, at in sorted(history.successes(self.ledger, self.warehouse).items()):
            success.add_metric([job], at.timestamp())
        yield success


def _counter(name: str, text: str, values: Mapping[tuple[str, str], float]) -> Metric:
    from prometheus_client.core import CounterMetricFamily

    metric = CounterMetricFamily(name, text, labels=["job_type", "status"])
    for (job, status), value in sorted(values.items()):
        metric.add_metric([job, status], value)
    return metric


def _durations(values: Mapping[tuple[str, str], float]) -> Metric:
    from prometheus_client.core import HistogramMetricFamily

    metric = HistogramMetricFamily(
        "batch_job_duration_seconds", "Seconds from a run's start to its end.", labels=["job_type"]
    )
    for job in sorted({job for job, _ in values}):
        bounds = [*(str(bound) for bound in BUCKETS), "+Inf"]
        buckets = [(bound, values.get((job, bound), 0.0)) for bound in bounds]
        metric.add_metric([job], buckets, sum_value=values.get((job, "sum"), 0.0))
    return metric


def _queue(waiting: Mapping[str, int]) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    metric = GaugeMetricFamily(
        "batch_queue_size", "Runs that are due and have not been started.", labels=["job_type"]
    )
    for job, count in sorted(waiting.items()):
        metric.add_metric([job], count)
    return metric


def registry(collector: Collector) -> Any:
    """Return a registry for Prometheus's own server or text file."""
    from prometheus_client import CollectorRegistry

    made = CollectorRegistry(auto_describe=False)
    made.register(collector)
    return made


def write_textfile(collector: Collector, path: Path) -> None:
    """Write all metrics for node_exporter's textfile collector, by an atomic rename."""
    from prometheus_client import write_to_textfile

    path.parent.mkdir(parents=True, exist_ok=True)
    write_to_textfile(str(path), registry(collector))


@contextmanager
def served(collector: Collector, port: int) -> Iterator[None]:
    """Answer /metrics on loopback; port 0: nobody is answered.

    Raises:
        SettingWrong: the port is in use.
    """
    from prometheus_client import start_http_server

    if not port:
        yield
        return
    try:
        server, thread = start_http_server(port, "127.0.0.1", registry(collector))
    except OSError as error:
        raise SettingWrong(
            f"Cannot serve /metrics on port {port}: {error.strerror}. Give another by "
            "--metrics-port, or 0 for none."
        ) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
