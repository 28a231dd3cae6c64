"""The whole schedule on one screen: which jobs exist, when they start, and what they do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from orchestration.errors import unknown
from orchestration.plan import Job, Need, Retry, Step
from orchestration.schedule import Schedule
from orchestration.steps import KINDS

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR


def _names(*steps: Step) -> tuple[str, ...]:
    return tuple(step.name for step in steps)


API: Final = Step(kind="load", argument="shop_api", timeout=1800)
DB: Final = Step(kind="load", argument="shop_db", timeout=1800)
FILES: Final = Step(kind="load", argument="event_files", timeout=1800)
QUEUE: Final = Step(kind="load", argument="payment_queue", timeout=900)
LOADS: Final = (API, DB, FILES, QUEUE)

BUILD: Final = Step(kind="transform", only_new=True, needs=_names(*LOADS))
STREAMED: Final = "source:payment_queue+ source:event_files+"
PUBLISH: Final = Step(kind="publish", needs=("transform",), timeout=900)
CRM: Final = Step(kind="deliver", argument="crm_users", needs=("transform",), timeout=1800)
SALES: Final = Step(kind="deliver", argument="sales_files", needs=("transform",), timeout=900)
REPORTING: Final = Step(kind="deliver", argument="reporting_db", needs=("transform",), timeout=900)
REPORT: Final = Step(kind="report", after=_names(*LOADS, PUBLISH, CRM, SALES), timeout=300)
SEND: Final = Step(kind="send", argument="report", needs=("report",), timeout=300)

JOBS: Final = {
    "daily": Job(
        description="Everything, by hand: load all sources, build, publish, deliver, report.",
        retry=Retry(attempts=3, wait=2.0),
        steps=(*LOADS, BUILD, PUBLISH, CRM, SALES, REPORT),
    ),
    "micro_batch": Job(
        description="Payments and events, from queue and files to the published marts.",
        schedule=Schedule(every=10, catch_up="none"),
        retry=Retry(attempts=1),
        batch_size=1000,
        steps=(
            Step(kind="load", argument="payment_queue", timeout=300),
            Step(kind="load", argument="event_files", timeout=300),
            Step(
                kind="transform",
                argument=STREAMED,
                only_new=True,
                needs=("load payment_queue", "load event_files"),
                timeout=300,
            ),
            Step(kind="publish", needs=(f"transform {STREAMED}",), timeout=300),
        ),
    ),
    "intake": Job(
        description="What was pushed over HTTP, to its raw tables.",
        schedule=Schedule(every=60, catch_up="none"),
        retry=Retry(attempts=1),
        steps=(Step(kind="load", argument="intake", timeout=900),),
    ),
    "replay": Job(
        description="What is in quarantine, judged again by both gates, and what passes published.",
        retry=Retry(attempts=1),
        steps=(
            Step(kind="replay", timeout=1800),
            Step(kind="transform", needs=("replay",)),
            PUBLISH,
        ),
    ),
    "pending": Job(
        description="What outputs do not have yet, or refused to take while they were away.",
        schedule=Schedule(every=300, catch_up="none"),
        retry=Retry(attempts=1),
        steps=(
            Step(kind="deliver", argument="crm_users", timeout=240),
            Step(kind="deliver", argument="sales_files", timeout=240),
        ),
    ),
    "hourly_sync": Job(
        description="Users and orders, from API and database to the published marts and the CRM.",
        schedule=Schedule(cron="0 * * * *", catch_up="latest", max_age=3 * HOUR),
        steps=(
            API,
            DB,
            Step(kind="transform", only_new=True, needs=_names(API, DB)),
            PUBLISH,
            CRM,
        ),
    ),
    "nightly": Job(
        description="Everything, with yesterday's sales, all tests, and the daily report.",
        schedule=Schedule(cron="0 2 * * *", overlap="queue", max_age=12 * HOUR),
        steps=(
            *LOADS,
            Step(kind="transform", needs=_names(*LOADS)),
            PUBLISH,
            CRM,
            SALES,
            REPORTING,
            REPORT,
            SEND,
        ),
    ),
    "monthly_report": Job(
        description="An account of the last month, sent.",
        schedule=Schedule(cron="0 0 1 * *", overlap="queue", max_age=3 * DAY),
        needs=(Need(job="nightly", within=2 * DAY),),
        steps=(
            Step(kind="report", argument="month", timeout=300),
            Step(kind="send", argument="report", needs=("report month",), timeout=300),
        ),
    ),
    "weekly_cleanup": Job(
        description="Back the warehouse up, forget old events, rejects and runs, compact it.",
        schedule=Schedule(cron="0 3 * * sun", overlap="queue", max_age=2 * DAY),
        steps=(
            Step(kind="retain", argument="90"),
            Step(kind="backup", argument="3"),
            Step(kind="expire", argument="90", needs=("backup 3",)),
            Step(kind="compact", after=("expire 90",), needs=("backup 3",)),
        ),
    ),
}

BACKFILL_TIMEOUT: Final = 30 * 86400.0

QUERY: Final = (
    "select ordered_on, currency, count_orders, revenue from marts.agg_daily_sales "
    "order by ordered_on desc limit 7"
)
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

FRESH: Final = {"shop_api": 2 * DAY, "shop_db": 2 * DAY, "event_files": 2 * DAY}
"""Seconds after which a source that brought nothing new is stale, and people are told."""


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
    timeout = BACKFILL_TIMEOUT if kind == "backfill" else Step.timeout
    step = Step(kind=kind, argument=argument, timeout=timeout)
    return Job(steps=(step,), retry=Retry(attempts=1))
