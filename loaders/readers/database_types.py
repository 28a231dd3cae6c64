"""Declared columns taken from the database itself, for whoever does not want to write them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy import types

from loaders.columns import columns, named
from loaders.connection import shown
from loaders.errors import SourceRefused
from loaders.naming import distinct
from loaders.readers.database_link import Link
from loaders.readers.database_look import OURS, no_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlt.common.schema.typing import TColumnSchema

KINDS: Final = (
    (types.Boolean, "boolean"),
    (types.Integer, "bigint"),
    (types.Float, "double"),
    (types.DateTime, "timestamp"),
    (types.Date, "date"),
    (types.JSON, "json"),
)
"""The first that fits; what is none of these arrives as text: times, intervals, UUIDs, arrays."""
MOST_DIGITS: Final = 38


class Reflected(dict[str, "TColumnSchema"]):
    """Columns as a database declares them; none, and a refusal, of a table that it has not."""

    refusal: str = ""
    """Why the table cannot be read, which its reading tells: other tables are loaded meanwhile."""

    def __or__(self, others: Mapping[str, TColumnSchema]) -> Reflected:  # type: ignore[override]
        """Return the same with some columns declared otherwise."""
        both = Reflected({**self, **others})
        both.refusal = self.refusal
        return both


def reflected(url: str, table: str) -> Reflected:
    """Return the columns of a table as its database declares them.

    A numeric without a scale arrives as text, for no type here holds all its digits. Of a table
    that is not there the load tells, when its turn comes.

    Args:
        url: SQLAlchemy URL.
        table: its name, with the schema if it needs one.

    Raises:
        SourceRefused: the driver cannot tell its columns.
    """
    link = Link(url)
    schema, _, bare = table.rpartition(".")
    try:
        with warnings.catch_warnings():  # of a type that it does not know, which arrives as text
            warnings.simplefilter("ignore", sa.exc.SAWarning)
            found = sa.inspect(link.engine).get_columns(bare, schema or None)
    except sa.exc.NoSuchTableError:
        gone = Reflected()
        gone.refusal = no_table(link, table)
        return gone
    except sa.exc.ProgrammingError as error:  # of a driver that is older than SQLAlchemy
        raise SourceRefused(
            f"The driver of '{shown(str(link.url))}' cannot tell the columns of '{table}': "
            f"{str(error.orig).strip().splitlines()[0]}. Declare them with `columns(…)`."
        ) from error
    kinds = {str(column["name"]): _kind(column["type"]) for column in found}
    names = distinct([list(kinds)], named, OURS)
    return Reflected(columns(**{name: kinds[own] for name, (own,) in names.items()}))


def _kind(found: types.TypeEngine[object]) -> str:
    if isinstance(found, types.BigInteger) and getattr(found, "unsigned", False):
        return "decimal(20, 0)"
    if isinstance(found, types.Numeric) and not isinstance(found, types.Float):
        precision, scale = found.precision or 0, found.scale or 0
        fits = 0 < precision <= MOST_DIGITS and 0 <= scale <= precision
        return f"decimal({precision}, {scale})" if fits else "text"
    return next((kind for known, kind in KINDS if isinstance(found, known)), "text")
