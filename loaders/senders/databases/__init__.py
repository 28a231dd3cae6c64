"""The databases that results can go to."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from loaders.errors import LoaderError

if TYPE_CHECKING:
    from loaders.senders.databases.far import FarDatabase

KINDS = {
    "postgresql": ("loaders.senders.databases.postgres", "Postgres"),
    "mysql": ("loaders.senders.databases.mysql", "Mysql"),
    "mariadb": ("loaders.senders.databases.mysql", "Mysql"),
    "sqlite": ("loaders.senders.databases.sqlite", "Sqlite"),
}


def far_database(url: str) -> FarDatabase:
    """Return the database that a URL names; it is not connected to yet.

    Raises:
        LoaderError: the URL cannot be read, or names a kind of database that is not known here.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except ArgumentError:
        raise LoaderError(
            "The output's url is no database URL. Write it as postgresql://user:password@host:5432/"
            "database, mysql://user:password@host:3306/database, or sqlite:///path."
        ) from None
    kind = parsed.get_backend_name()
    if kind not in KINDS:
        raise LoaderError(
            f"Cannot deliver to a database of kind '{kind}'. Known kinds: "
            f"{', '.join(sorted(KINDS))}. Check the output's url."
        )
    module, name = KINDS[kind]
    found: FarDatabase = getattr(import_module(module), name)(parsed)
    return found
