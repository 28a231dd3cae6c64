"""The kinds of step, each a restartable unit that runs in a child process."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestration.outcome import Delivery, Outcome, Table, carry
from orchestration.workers import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from loaders.warehouse import Target

    Emit = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a step is asked to do; crosses into the child process."""

    run_id: str
    job: str
    step: str
    """The step's name."""
    kind: str
    argument: str
    target: str
    """An output of profiles.yml."""
    artifacts: Path
    """Where the run keeps its files."""
    attempt: int = 1
    batch_size: int | None = None
    timeout: float = 3600.0
    """Seconds that the step has, waiting for another writer included."""
    recorded: tuple[str, ...] = ()
    """The load packages of this source whose counts stand in the ledger."""

    @property
    def log(self) -> Path:
        """Where the step's libraries print to."""
        return self.artifacts / f"{self.step.replace(' ', '-')}.log"


@contextmanager
def writing(request: Request, emit: Emit) -> Iterator[Target]:
    """Give the warehouse, waiting in line for it as long as the step may take."""
    from loaders.warehouse import target

    warehouse = target(request.target)
    begun = time.perf_counter()
    with ExitStack() as stack:
        while not _entered(stack, warehouse):
            if time.perf_counter() - begun > request.timeout:
                stack.enter_context(warehouse.exclusive())
        emit({"waited": time.perf_counter() - begun})
        yield warehouse


def _entered(stack: ExitStack, warehouse: Target) -> bool:
    from loaders.errors import WarehouseBusy

    try:
        stack.enter_context(warehouse.exclusive())
    except WarehouseBusy:
        return False
    return True


def load(request: Request, emit: Emit) -> Outcome:
    """Load one source."""
    from loaders.load import load as load_source

    with writing(request, emit) as warehouse:
        result = load_source(
            request.argument,
            target=warehouse,
            on_progress=lambda table, rows: emit({"table": table, "rows": rows}),
            is_recorded=request.recorded.__contains__,
        )
    return Outcome(
        tables=tuple(carry(Table, table) for table in result.tables),
        loads=tuple((result.source, load_id) for load_id in result.load_ids),
        detail={"load_ids": list(result.load_ids), "notices": list(result.notices)},
    )


def transform(request: Request, emit: Emit) -> Outcome:
    """Build and test the models: all of them, or the selection in the argument."""
    from orchestration import dbt

    with writing(request, emit):
        return Outcome(detail=dbt.build(request, emit))


def publish(request: Request, emit: Emit) -> Outcome:
    """Let readers see the marts that have passed their tests."""
    from loaders.publish import publish as publish_marts

    with writing(request, emit) as warehouse:
        path = publish_marts(warehouse)
    return Outcome(detail={"published": str(path) if path else None})


def deliver(request: Request, emit: Emit) -> Outcome:
    """Send one output what it does not have yet."""
    from loaders.deliver import deliver as deliver_output

    with writing(request, emit) as warehouse:
        result = deliver_output(
            request.argument,
            target=warehouse,
            run_id=request.run_id,
            on_progress=lambda done, total: emit({"done": done, "total": total}),
        )
    return Outcome(deliveries=(carry(Delivery, result),))


def report(request: Request, _emit: Emit) -> Outcome:
    """Write the run's page."""
    from orchestration import report as page

    return Outcome(detail={"report": str(page.write(request.run_id))})


_LOADERS: Final = "loaders.load,loaders.deliver"
_DBT: Final = "orchestration.dbt"

KINDS: Final = {
    "load": Kind(function="orchestration.steps:load", preload=_LOADERS),
    "transform": Kind(function="orchestration.steps:transform", preload=_DBT),
    "publish": Kind(function="orchestration.steps:publish", preload=_LOADERS),
    "deliver": Kind(function="orchestration.steps:deliver", preload=_LOADERS),
    "report": Kind(function="orchestration.steps:report", preload=_LOADERS),
}
"""What a step's `kind` may be."""
