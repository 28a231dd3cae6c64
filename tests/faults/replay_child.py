"""A replay of rejects in a process of its own, that kills itself at a point named beforehand."""

from __future__ import annotations

import os
import signal
import sys
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlt

from loaders.columns import columns
from loaders.dispositions import REPLACE_KEYS

if TYPE_CHECKING:
    from dlt.extract import DltSource

    from loaders.warehouse import Target


def corner(rows: list[dict[str, Any]], amount: str = "bigint") -> DltSource:
    """A source of given rows, whose amounts are declared as told."""

    @dlt.source(name="corner")
    def source() -> Any:
        return dlt.resource(
            [rows],
            name="sales",
            primary_key="id",
            columns=columns(id="bigint", amount=amount),
            write_disposition=REPLACE_KEYS,
        )

    return source()


def kill_at(point: str, count: int) -> None:
    """Have this process killed when it comes to a point for the so many-th time."""
    from loaders import replay as replaying
    from loaders.connection import Connection
    from loaders.replay_sql import Replayed

    owner, name = {
        "judging": (replaying, "judge"),
        "waiting": (Replayed, "wait"),
        "storing": (Replayed, "store"),
        "committing": (Connection, "execute"),
        "committed": (Connection, "execute"),
    }[point]
    original = getattr(owner, name)
    left = [count]

    @wraps(original)
    def killing(*args: Any, **kwargs: Any) -> Any:
        if name == "execute" and args[1] != "commit":
            return original(*args, **kwargs)
        left[0] -= 1
        if left[0] == 0:
            if point != "committing":
                original(*args, **kwargs)
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)

    setattr(owner, name, killing)


def target(kind: str, place: str) -> Target:
    """Return a warehouse of either kind."""
    from loaders.warehouse import Target

    if kind == "duckdb":
        return Target(name=kind, kind=kind, path=Path(place))
    return Target(name=kind, kind=kind, dsn=place)


if __name__ == "__main__":
    from loaders import replay as replaying

    kind, place, point, count = sys.argv[1:]
    replaying.ROWS_AT_ONCE = 10  # type: ignore[misc]
    kill_at(point, int(count))
    replaying.replay(corner([], "decimal(18, 2)"), target=target(kind, place))
