"""The whole schedule on one screen: which jobs exist, and what they do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from orchestration.errors import unknown
from orchestration.plan import Job, Retry, Step
from orchestration.steps import KINDS

LOADS: Final = (
    Step(kind="load", argument="shop_api", timeout=1800),
    Step(kind="load", argument="shop_db", timeout=1800),
    Step(kind="load", argument="event_files", timeout=1800),
    Step(kind="load", argument="payment_queue", timeout=900),
)

OUTPUTS: Final = (
    Step(kind="publish", needs=("transform",), timeout=900),
    Step(kind="deliver", argument="crm_users", needs=("transform",), timeout=1800),
    Step(kind="deliver", argument="sales_files", needs=("transform",), timeout=900),
)

QUERY: Final = "select * from marts.agg_daily_sales order by ordered_on desc limit 7"
"""What a newcomer is invited to ask of the marts."""


@dataclass(frozen=True, kw_only=True)
class Chart:
    """The line chart of the daily report."""

    title: str
    table: str
    columns: tuple[str, str, str]
    """The day, the amount, and what each line stands for."""


CHART: Final = Chart(
    title="Revenue by day",
    table="marts.agg_daily_sales",
    columns=("ordered_on", "revenue", "currency"),
)

JOBS: Final = {
    "daily": Job(
        description="Everything, once a day: load all sources, build, publish, deliver, report.",
        retry=Retry(attempts=3, wait=2.0),
        steps=(
            *LOADS,
            Step(kind="transform", only_new=True, needs=tuple(step.name for step in LOADS)),
            *OUTPUTS,
            Step(kind="report", after=tuple(s.name for s in (*LOADS, *OUTPUTS)), timeout=300),
        ),
    ),
}


def find(name: str) -> Job:
    """Return a job by its name; a single step's name, `load shop_api`, is a job of one step.

    Raises:
        NameUnknown: there is no job and no kind of step of that name.
    """
    if name in JOBS:
        return JOBS[name]
    kind, _, argument = name.partition(" ")
    if kind not in KINDS:
        raise unknown("job", name, JOBS)
    return Job(steps=(Step(kind=kind, argument=argument),), retry=Retry(attempts=1))
