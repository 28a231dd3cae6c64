"""What a reader wants done once its rows are committed, such as acknowledging messages."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_waiting: ContextVar[list[Callable[[], None]]] = ContextVar("after_commit")


def after_commit(action: Callable[[], None]) -> None:
    """Have something done after this load is committed; it is not done when the load fails."""
    _waiting.get([]).append(action)


@contextmanager
def committing() -> Iterator[Callable[[], None]]:
    """Collect what is to be done; the block calls what it is given when the load is committed."""
    actions: list[Callable[[], None]] = []
    token = _waiting.set(actions)
    try:
        yield partial(_do_all, actions)
    finally:
        _waiting.reset(token)


def _do_all(actions: list[Callable[[], None]]) -> None:
    for action in actions:
        action()
