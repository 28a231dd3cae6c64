"""What a reader wants done when its load ends, such as acknowledging what is safe now."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Action = Callable[[], object]


@dataclass(kw_only=True)
class Ending:
    """What is to be done when one load ends; call it when the load is committed."""

    after: list[Action] = field(default_factory=list)
    at_end: list[Action] = field(default_factory=list)
    is_more: bool = False
    """Whether a reader has more that must come in a load of its own."""

    def __call__(self) -> None:
        """Do what waits for the commit, in the order in which it was asked for."""
        for action in self.after:
            action()


_current: ContextVar[Ending | None] = ContextVar("ending", default=None)


def after_commit(action: Action) -> None:
    """Have something done after this load is committed; it is not done when the load fails."""
    ending().after.append(action)


def at_end(action: Action) -> None:
    """Have something done when this load ends, whatever became of it, such as closing."""
    ending().at_end.append(action)


def load_again() -> None:
    """Have the source loaded once more as soon as this load is committed."""
    ending().is_more = True


def ending() -> Ending:
    """Return what is to be done when the load that runs now ends."""
    return _current.get() or Ending()


@contextmanager
def committing() -> Iterator[Ending]:
    """Collect what is to be done; the block calls what it is given when the load is committed."""
    collected = Ending()
    token = _current.set(collected)
    try:
        yield collected
    finally:
        _current.reset(token)
        for action in collected.at_end:
            action()
