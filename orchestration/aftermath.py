"""What follows a run: its metrics are written down, and people are told what they should know."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from orchestration import jobs, metrics, notify
from orchestration.errors import OrchestrationError
from orchestration.events import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestration.clock import Clock
    from orchestration.events import Listener
    from orchestration.ledger import Ledger
    from orchestration.settings import Settings


class Aftermath:
    """Hears the end of each run."""

    def __init__(
        self,
        current: Settings,
        ledger: Ledger,
        clock: Clock,
        log: Listener,
        waiting: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        place = current.target.place
        self.collector = metrics.Collector(ledger, place, waiting)
        self.textfile = current.var / "metrics" / "tidemill.prom"
        self.notifier = notify.Notifier(ledger, jobs.FRESH, place)
        self.clock = clock
        self.log = log
        self.lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Follow up a run; what goes wrong here is logged, and does not change how it ended."""
        if event.name != "run_ended":
            return
        try:
            with self.lock:  # two runs that end together tell of one trouble once
                metrics.write_textfile(self.collector, self.textfile)
                if notify.is_wanted():
                    self.notifier.after(event.fields["record"], self.clock.now())
        except (OrchestrationError, OSError) as error:
            fields = {"error": str(error)}
            self.log(Event(name="aftermath_failed", run_id=event.run_id, fields=fields))
