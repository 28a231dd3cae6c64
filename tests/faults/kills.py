"""Kills single commands at random moments, and compares with a life that nobody disturbed.

    python -m tests.faults.kills --target postgres --world files --lives 20 --seed 7

A life is two days of a world. Each command of a day is begun and killed (-9) a few times, then run
to its end; the rows of all tables, the accounting and what is left of the source must be as
undisturbed.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2

from demo.redis_server import start_redis, stop_redis
from tests.faults.forked import Place, end, learn, warm
from tests.faults.worlds import WORLDS
from tests.postgres_server import postgres_server

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCES = dict.fromkeys(("kill_files", "kill_db", "kill_queue"), "tests.faults.kill_sources")
MOST = 3
"""Times that a command is killed; a message is tried five times before it is taken for poison."""


class Mismatch(Exception):
    """A disturbed life did not end as the undisturbed one."""


class Lives:
    """The lives of one world on one kind of warehouse."""

    def __init__(
        self, world: str, folder: Path, *, database: Callable[[str], str | None], queue: str
    ) -> None:
        self.world, self.folder = world, folder
        self.database, self.queue = database, queue
        self.lengths: dict[tuple[int, int], float] = {}
        self.ended: Counter[int] = Counter()

    def live(
        self, name: str, chance: random.Random | None = None, *, learning: bool = False
    ) -> Any:
        """Live through two days, killed by chance, and return how it ended."""
        path = self.folder / name
        path.mkdir()
        world = WORLDS[self.world](path, self.queue)
        place = Place(var=path / "var", dsn=self.database(name), variables=world.variables)
        for day in (1, 2):
            for number, commands in enumerate(world.day(day)):
                if learning:
                    learn(place, *commands[0])
                for _ in range(chance.randint(1, MOST) if chance else 0):
                    self._strike(place, commands, self.lengths[day, number], chance)
                begun = time.monotonic()
                codes = [end(pid) for pid in [place.begin(*words) for words in commands]]
                if any(codes):
                    raise Mismatch(f"{name}: {commands} ended with {codes}: {place.told()}")
                self.lengths.setdefault((day, number), time.monotonic() - begun)
        found = (place.tables(), place.accounting(), world.end())
        shutil.rmtree(path)
        return found

    def _strike(self, place: Place, commands: Any, length: float, chance: Any) -> None:
        """Begin commands and kill each at a moment of its own."""
        begun = time.monotonic()
        moments = sorted(
            (chance.uniform(chance.choice((0, 0.5)), 1.05) * length, place.begin(*words))
            for words in commands
        )
        for moment, pid in moments:
            self.ended[end(pid, max(0, begun + moment - time.monotonic()))] += 1


def main() -> int:
    """Try one world on one kind of warehouse, and print what was survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", choices=["duckdb", "postgres"], default="duckdb")
    parser.add_argument("--world", choices=sorted(WORLDS), default="files")
    parser.add_argument("--lives", type=int, default=20)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    chance = random.Random(options.seed)  # noqa: S311  by seed, not secret
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="tidemill-kills-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        os.environ["TIDEMILL_VAR"] = str(folder)
        server = stack.enter_context(postgres_server()) if options.target == "postgres" else None
        redis, port = start_redis(folder / "redis", 0)
        stack.callback(stop_redis, redis)

        def database(name: str) -> str | None:
            if server is None:
                return None
            with closing(psycopg2.connect(server)) as admin:
                admin.autocommit = True
                admin.cursor().execute(f"create database life_{name}")
            return server.replace("/postgres?", f"/life_{name}?")

        warm(SOURCES)
        queue = f"redis://127.0.0.1:{port}/0"
        lives = Lives(options.world, folder, database=database, queue=queue)
        lives.live("first", learning=True)
        gc.freeze()
        lives.lengths.clear()
        calm = lives.live("calm")
        for number in range(options.lives):
            found = lives.live(str(number), chance)
            if found != calm:
                raise Mismatch(f"life {number} of seed {options.seed}: {found} and not {calm}")
    killed = lives.ended.pop(-9, 0)
    sys.stdout.write(
        f"{options.world} on {options.target}: {killed} kills survived in {options.lives} lives, "
        f"seed {options.seed}; {lives.ended.total()} commands ended before they were killed\n"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
