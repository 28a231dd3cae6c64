"""The kinds of step, each a restartable unit that runs in a child process."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from loaders import OUTPUTS, SOURCES
from orchestration import settings
from orchestration.errors import SettingWrong, StepFailed
from orchestration.outcome import Delivery, Outcome, carry
from orchestration.workers import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from loaders.errors import DeliveryFailed
    from loaders.warehouse import Target

    Emit = Callable[[dict[str, Any]], None]


PATIENCE: Final = 0.9
"""The share of its time that a step stands in line; the rest is for telling that it was in vain."""


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
    only_new: bool = False
    """Whether work may be left as it is when nothing new has come."""
    before: Mapping[str, Any] | None = None
    """What this step handed back last time on this warehouse, unless it failed since."""
    needs: tuple[Mapping[str, Any], ...] = ()
    """What the steps that this one needs handed back in this run."""
    recorded: tuple[str, ...] = ()
    """The load packages of this source whose counts stand in the ledger."""
    idle: tuple[str, ...] = ()
    """Of all load packages the newest that brought nothing, each as `<source> <load id>`."""

    @property
    def has_news(self) -> bool:
        """Whether a load that this step needs brought something."""
        quiet = {each.rpartition(" ")[2] for each in self.idle}
        return any(not quiet.issuperset(need.get("load_ids", ())) for need in self.needs)

    @property
    def log(self) -> Path:
        """Where the step's libraries print to."""
        return self.artifacts / f"{self.step.replace(' ', '-')}.log"


def number(request: Request, default: int) -> int:
    """Return a step's argument as a number.

    Raises:
        SettingWrong: it is none above 0.
    """
    text = request.argument or str(default)
    if not text.isdecimal() or int(text) < 1:
        raise SettingWrong(
            f"Cannot do '{request.step}': '{text}' is no whole number above 0. Write '"
            f"{request.kind} {default}', say."
        )
    return int(text)


@contextmanager
def writing(request: Request, emit: Emit) -> Iterator[Target]:
    """Give the warehouse, waiting in line for it for most of the time that the step has.

    Raises:
        StepFailed: others wrote to it all the while; `busy` in its detail tells how many seconds.
    """
    from loaders.errors import WarehouseBusy
    from loaders.warehouse import target

    warehouse = target(request.target)
    begun = time.perf_counter()
    with ExitStack() as stack:
        try:
            stack.enter_context(warehouse.exclusive(PATIENCE * request.timeout))
        except WarehouseBusy as error:
            busy = time.perf_counter() - begun
            raise StepFailed(str(error), retryable=True, detail={"busy": busy}) from error
        emit({"waited": time.perf_counter() - begun})
        yield warehouse


def deliver(request: Request, emit: Emit) -> Outcome:
    """Send one output what it does not have yet; the argument may end in options."""
    from loaders.deliver import deliver as deliver_output
    from loaders.errors import DeliveryFailed

    output, *options = request.argument.split(" ")
    with writing(request, emit) as warehouse:
        try:
            result = deliver_output(
                output,
                target=warehouse,
                run_id=request.run_id,
                allow_deletes="--allow-deletes" in options,
                replay="--replay" in options,
                keys=[unquote(each[6:]) for each in options if each.startswith("--key=")],
                on_progress=lambda done, total: emit({"done": done, "total": total}),
            )
        except DeliveryFailed as error:
            raise _with_counts(error) from error
    return Outcome(deliveries=(carry(Delivery, result),))


def _with_counts(error: DeliveryFailed) -> StepFailed:
    """Let what was sent before a delivery failed be counted."""
    done = Outcome(deliveries=(carry(Delivery, error.result),)) if error.result else None
    return StepFailed(str(error), retryable=error.retryable, outcome=done)


def report(request: Request, _emit: Emit) -> Outcome:
    """Write the run's page: of the last runs, or of the last `month`."""
    from orchestration import report as page

    return Outcome(detail={"report": str(page.write(request.run_id, request.argument))})


def send(request: Request, _emit: Emit) -> Outcome:
    """Send the run's page to the addresses in TIDEMILL_NOTIFY."""
    from orchestration import notify

    page = Path(request.needs[0]["report"])
    if not notify.is_wanted():
        return Outcome(detail={"notices": [f"{notify.VARIABLE} is not set: nobody was sent it."]})
    title = f"Tidemill: report of {request.job}"
    body = f"The report of the run {request.run_id} is attached."
    refused = notify.send(notify.News(title=title, body=body, kind="info"), attach=page)
    notices = [f"An address did not take it: {scheme}:…" for scheme in refused]
    return Outcome(detail={"sent": str(page), "notices": notices})


def retain(request: Request, _emit: Emit) -> Outcome:
    """Forget runs older than the argument's days, and their files."""
    from orchestration import upkeep
    from orchestration.clock import Clock
    from orchestration.ledger import Ledger

    current, days = settings.read(request.target), number(request, 90)
    ledger = Ledger.open(current.ledger_url)
    try:
        return Outcome(detail=upkeep.retain(current, ledger, days, Clock().now()))
    finally:
        ledger.close()


def backup(request: Request, emit: Emit) -> Outcome:
    """Copy the warehouse to var/backups and keep the argument's number of copies."""
    from orchestration import upkeep

    keep = number(request, 3)
    with writing(request, emit):
        return Outcome(detail=upkeep.backup(settings.read(request.target), request.run_id, keep))


def compact(request: Request, emit: Emit) -> Outcome:
    """Give back the space that updates left behind."""
    from orchestration import upkeep

    with writing(request, emit) as warehouse:
        return Outcome(detail=upkeep.compact(warehouse))


_LIBRARIES: Final = (
    "jinja2",
    "dlt.common.libs.pyarrow",
    "dlt.destinations.impl.duckdb.duck",
    "dlt.sources.helpers.requests",
    "pyarrow.dataset",
)
_PARTS: Final = (
    "loaders.load",
    "loaders.deliver",
    "loaders.publish",
    "orchestration.audit",
    "orchestration.report",
)
_LOADERS: Final = ",".join((*_PARTS, *SOURCES.values(), *OUTPUTS.values(), *_LIBRARIES))
_DBT: Final = "orchestration.dbt,dbt.task.build,dbt_common.clients.agate_helper,babel.dates"

KINDS: Final = {
    "load": Kind(function="orchestration.load_steps:load", preload=_LOADERS),
    "sweep": Kind(function="orchestration.load_steps:sweep", preload=_LOADERS),
    "backfill": Kind(function="orchestration.load_steps:backfill", preload=_LOADERS),
    "replay": Kind(function="orchestration.load_steps:replay", preload=_LOADERS),
    "transform": Kind(
        function="orchestration.model_steps:transform",
        preload=_DBT,
        shortcut=Kind(function="orchestration.model_steps:unchanged", preload=_LOADERS),
    ),
    "publish": Kind(function="orchestration.model_steps:publish", preload=_LOADERS),
    "deliver": Kind(function="orchestration.steps:deliver", preload=_LOADERS),
    "report": Kind(function="orchestration.steps:report", preload=_LOADERS),
    "send": Kind(function="orchestration.steps:send", preload=_LOADERS),
    "retain": Kind(function="orchestration.steps:retain", preload=_LOADERS),
    "expire": Kind(function="orchestration.model_steps:expire", preload=_DBT),
    "backup": Kind(function="orchestration.steps:backup", preload=_LOADERS),
    "compact": Kind(function="orchestration.steps:compact", preload=_LOADERS),
}
"""What a step's `kind` may be."""
