"""Beats while a run is at work: keeps its lease, and hears when it is asked to stop."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from orchestration import lease
from orchestration.errors import LedgerFailed

if TYPE_CHECKING:
    from orchestration.clock import Clock
    from orchestration.halt import Halt
    from orchestration.ledger import Ledger


class Heart:
    """A thread that beats for the length of a `with` block."""

    def __init__(self, ledger: Ledger, clock: Clock, run_id: str, halt: Halt) -> None:
        self.ledger = ledger
        self.clock = clock
        self.run_id = run_id
        self.halt = halt
        self.still = threading.Event()
        self.thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def _beat(self) -> None:
        """Beat until the run is over; a ledger that is away for a while is waited for."""
        heard = self.clock.now()
        while not self.still.wait(lease.BEAT):
            now = self.clock.now()
            try:
                asked, heard = lease.beat(self.ledger, self.run_id, now), now
            except LedgerFailed:
                asked = "lost" if now - heard > lease.STALE else "go"
            if asked != "go":
                self.halt.ask(at_once=True)

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.still.set()
        self.thread.join()
