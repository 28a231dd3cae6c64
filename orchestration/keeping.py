"""What stays open until it is stopped: the demo shop, and the scheduler."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from orchestration import jobs, metrics, progress, sandbox, show
from orchestration import settings as settings_
from orchestration.commands import opened, working
from orchestration.halt import on_signals
from orchestration.scheduler import Scheduler

if TYPE_CHECKING:
    from orchestration.commands import How


def keep_shop(scale: float) -> int:
    """Keep the shop open on its fixed ports until Ctrl-C."""
    var = settings_.read("duckdb").var
    api, queue = sandbox.API_PORT, sandbox.REDIS_PORT
    with sandbox.shop(var, scale=scale, api_port=api, redis_port=queue) as opened_shop:
        if opened_shop.day == 0:
            opened_shop.advance()
        show.text(f"The demo shop is open; it is day {opened_shop.day} there. Ctrl-C closes it.")
        for name, value in sorted(opened_shop.environment().items()):
            show.text(f"export {name}='{value}'")
        on_signals(patient=False).soon.wait()
    return 0


def keep_schedule(how: How, *, metrics_port: int, only: list[str]) -> int:
    """Start jobs when they are due, until told to stop."""
    chosen = {name: jobs.find(name) for name in only or jobs.JOBS}
    halt = on_signals(patient=True)
    lines = progress.run_lines(sys.stdout)
    with (
        opened(how.target, bury=False) as (current, ledger),
        working(how, current, ledger, lines) as runner,
    ):
        scheduler = Scheduler(jobs=chosen, runner=runner, halt=halt, tell=runner.tell)
        place = current.target.place
        collector = metrics.Collector(ledger, place, scheduler.waiting)
        with metrics.served(collector, metrics_port):
            for name, (_, schedule) in scheduler.scheduled.items():
                show.text(f"{name:16} {schedule.words()}")
            show.text("The scheduler is at work; Ctrl-C or SIGTERM stops it.")
            sys.stdout.flush()
            scheduler.run()
    return 0
