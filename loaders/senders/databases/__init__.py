"""The databases that results can go to."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from loaders.errors import LoaderError
from loaders.senders.databases.address import parsed

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
    address = parsed(url)
    kind = address.kind
    if kind not in KINDS:
        raise LoaderError(
            f"Cannot deliver to a database of kind '{kind}'. Known kinds: "
            f"{', '.join(sorted(KINDS))}. Check the output's url."
        )
    module, name = KINDS[kind]
    found: FarDatabase = getattr(import_module(module), name)(address)
    return found
