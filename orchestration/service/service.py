"""The parts that a running service is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from loaders.intake.store import store_url
from orchestration.clock import Clock
from orchestration.ledger import Ledger
from orchestration.service import catalog, sessions
from orchestration.service.access import Doorkeeper
from orchestration.service.audit import Audit
from orchestration.service.counters import Counters
from orchestration.service.export import Exports
from orchestration.service.large import Worker
from orchestration.service.launch import Launcher
from orchestration.service.live import Streams
from orchestration.service.pages import Pages
from orchestration.service.published import Published
from orchestration.service.store import Store
from orchestration.service.throttle import Throttle

if TYPE_CHECKING:
    from orchestration.service.configuration import Binding, Limits
    from orchestration.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Service:
    """Everything that requests share; made before the first one, closed after the last."""

    settings: Settings
    limits: Limits
    binding: Binding
    clock: Clock
    store: Store
    ledger: Ledger
    marts: dict[str, catalog.Mart]
    published: Published
    pages: Pages
    exports: Exports
    doorkeeper: Doorkeeper
    throttle: Throttle
    counters: Counters
    audit: Audit
    launcher: Launcher
    worker: Worker
    streams: Streams
    secret: bytes

    @classmethod
    def open(
        cls, settings: Settings, limits: Limits, binding: Binding, clock: Clock | None = None
    ) -> Self:
        """Open the store, the ledger and what readers see.

        Raises:
            LedgerFailed: the store or the ledger cannot be used.
            SettingWrong: what a model's yml says of the API cannot be used.
        """
        clock = clock or Clock()
        store = Store.open(store_url())
        counters = Counters()
        return cls(
            settings=settings,
            limits=limits,
            binding=binding,
            clock=clock,
            store=store,
            ledger=Ledger.open(settings.ledger_url),
            marts=catalog.read(settings.project),
            published=Published(settings.target),
            pages=Pages(),
            exports=Exports(limits.exports_at_once),
            doorkeeper=Doorkeeper(store, clock, is_open=binding.is_open),
            throttle=Throttle(limits.requests_per_second, limits.burst, clock),
            counters=counters,
            audit=Audit(settings.logs / "audit.jsonl", clock),
            launcher=Launcher(settings, clock),
            worker=Worker(store, settings.var / "intake", limits, counters, clock),
            streams=Streams(),
            secret=sessions.secret(store),
        )

    def close(self) -> None:
        """Give everything free; runs that were started go on."""
        self.worker.close()
        self.published.close()
        self.ledger.close()
        self.store.close()
