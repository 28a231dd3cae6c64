"""What a shop's directory remembers: its seed, its scale, its kind of database, its day."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from demo.errors import ShopError

if TYPE_CHECKING:
    from pathlib import Path

    from demo.world import World

FILE = "shop.json"


@dataclass(frozen=True, kw_only=True)
class State:
    """The facts that make a shop what it is."""

    seed: int
    scale: float
    is_strict: bool
    """Whether its database keeps wrong types out."""
    day: int
    """The last day that is fully visible; 0 before the first."""

    def __str__(self) -> str:
        database = "a strict database" if self.is_strict else "SQLite"
        return f"seed {self.seed}, scale {self.scale:g} and {database}"


def read_state(directory: Path) -> State | None:
    """The state kept in a directory, or None where no shop was.

    Raises:
        ShopError: The file is there and cannot be understood.
    """
    try:
        return State(**json.loads((directory / FILE).read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError) as error:
        raise ShopError(
            f"The shop's state '{directory / FILE}' cannot be read: {error}. "
            "Delete the directory to begin a new shop."
        ) from error


def write_state(directory: Path, state: State) -> None:
    """Keep the state, whole or not at all."""
    made = directory / f".{FILE}"
    made.write_text(json.dumps(asdict(state)), encoding="utf-8")
    made.replace(directory / FILE)


def world_of(directory: Path, state: State) -> World:
    """The world behind a shop's directory."""
    from demo.world import World

    return World(
        directory=directory / "world",
        seed=state.seed,
        scale=state.scale,
        is_strict=state.is_strict,
    )
