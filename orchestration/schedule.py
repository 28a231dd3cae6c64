"""When a job is due: a pure function of its schedule, what was handled before, and now.

The rules (each has its test):

- Cron times are wall-clock times of the schedule's time zone; intervals are counted in UTC from
  2026-01-01 00:00, so that every machine fires at the same moments.
- A time that the spring gap swallows fires once, as late as the gap is long (02:30 at 03:30).
- A time that autumn brings twice fires once, the first time; schedules for every hour (`*` or `*/n`
  as the hour) go by elapsed time and fire in both.
- A day that a month lacks is left out (`31`, `29 2`); `last` is the last day of any month.
- After a clock was set back nothing fires until it passes the last time that was handled.
- After a sleep or a stop, `catch_up` decides: `latest` the newest missed time, `all` each of the
  newest `max_count`, `none` only a time within the last minute; never one older than `max_age`.
- A new or edited schedule counts from the moment it is first seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from orchestration.errors import JobInvalid

if TYPE_CHECKING:
    from collections.abc import Iterator

ANCHOR: Final = datetime(2026, 1, 1, tzinfo=UTC)
ON_TIME: Final = timedelta(minutes=1)
"""A time that passed so recently was not missed."""
CATCH_UP: Final = ("latest", "all", "none")
OVERLAP: Final = ("skip", "queue")


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When a job starts by itself."""

    cron: str = ""
    """Five fields: minute, hour, day, month, day of the week (by name: `sun`)."""
    every: float = 0.0
    """Or: seconds between two starts."""
    timezone: str = "UTC"
    catch_up: str = "latest"
    max_age: float = 86400.0
    """Seconds after which a missed time is no longer caught up."""
    max_count: int = 24
    """With `all`: at most so many missed times are caught up."""
    overlap: str = "skip"
    """What becomes of a time that comes while the job still runs: `skip` it, or `queue` it."""

    def __post_init__(self) -> None:
        if bool(self.cron) == (self.every > 0):
            raise JobInvalid(f"A schedule has either `cron` or `every`: {self}.")
        if self.catch_up not in CATCH_UP or self.overlap not in OVERLAP:
            raise JobInvalid(
                f"A schedule catches up {', '.join(CATCH_UP)} and overlaps by "
                f"{' or '.join(OVERLAP)}: {self}."
            )
        if self.cron:
            _trigger(self.cron, self.timezone)

    def words(self) -> str:
        """Say when, as people say it."""
        return f"{self.cron} {self.timezone}" if self.cron else f"every {self.every:g} s"


def next_fire(schedule: Schedule, after: datetime) -> datetime:
    """Return the first time after `after`, in UTC."""
    if schedule.every:
        beats = (after - ANCHOR).total_seconds() // schedule.every + 1
        return ANCHOR + timedelta(seconds=beats * schedule.every)
    trigger = _trigger(schedule.cron, schedule.timezone)
    at = after
    while True:
        found: datetime | None = trigger.get_next_fire_time(None, at + timedelta(microseconds=1))
        if found is None:
            raise JobInvalid(f"The schedule '{schedule.words()}' never comes.")
        at = found.astimezone(UTC)
        if at > after and not (found.fold and _is_fixed(schedule.cron)):
            return at


def due(schedule: Schedule, *, handled: datetime, now: datetime) -> list[datetime]:
    """Return the times to start the job for, oldest first.

    Args:
        schedule: the job's.
        handled: the newest time that was dealt with, or when the schedule was first seen.
        now: the time, aware.
    """
    limit = timedelta(seconds=schedule.max_age)
    if schedule.catch_up == "none":
        limit = min(limit, ON_TIME)
    missed = list(_fires(schedule, max(handled, now - limit - timedelta(microseconds=1)), now))
    return missed[-schedule.max_count :] if schedule.catch_up == "all" else missed[-1:]


def _fires(schedule: Schedule, after: datetime, until: datetime) -> Iterator[datetime]:
    if schedule.every and schedule.catch_up != "all":
        # Only the newest counts; a micro-batch that slept for a month need not count its beats.
        after = max(after, until - timedelta(seconds=2 * schedule.every))
    at = next_fire(schedule, after)
    while at <= until:
        yield at
        at = next_fire(schedule, at)


def _is_fixed(cron: str) -> bool:
    """Tell whether a schedule names its hours, so that a repeated hour is not meant."""
    return not cron.split()[1].startswith("*")


@lru_cache
def _trigger(cron: str, timezone: str) -> Any:
    from apscheduler.triggers.cron import CronTrigger

    fields = cron.split()
    if len(fields) == 5 and any(sign.isdigit() for sign in fields[4]):  # noqa: PLR2004  cron's
        raise JobInvalid(
            f"The schedule '{cron}' gives its weekday as a number, which means different days to "
            "different programs. Write mon, tue, wed, thu, fri, sat, sun."
        )
    try:
        return CronTrigger.from_crontab(cron, timezone=ZoneInfo(timezone))
    except (ValueError, KeyError) as error:
        raise JobInvalid(f"The schedule '{cron}' ({timezone}) cannot be read: {error}.") from error
