"""dlt's PostgreSQL destination with JSON as `json`: its binary COPY cannot write `jsonb`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import dlt
from dlt.destinations.impl.postgres.factory import PostgresTypeMapper

from loaders.resolved import Resolved

if TYPE_CHECKING:
    from dlt.common.destination import DestinationCapabilitiesContext
    from dlt.common.destination.typing import PreparedTableSchema
    from dlt.common.schema.typing import TColumnSchema


class JsonAsText(PostgresTypeMapper):
    """dlt's types of PostgreSQL, but for JSON: a model casts it, `doc::jsonb`."""

    def to_destination_type(self, column: TColumnSchema, table: PreparedTableSchema) -> str:
        """Return PostgreSQL's type of a column."""
        if column.get("data_type") == "json":
            return "json"
        if column.get("data_type") != "decimal" and column.get("scale") is not None:
            # dlt keeps the size of a decimal that is declared as something else now
            column = {**column, "precision": None, "scale": None}
        return super().to_destination_type(column, table)


class json_postgres(Resolved, dlt.destinations.postgres):  # noqa: N801  named as dlt names destinations
    """dlt's PostgreSQL destination, with JsonAsText and ReplacingClient."""

    @property
    def client_class(self) -> Any:
        """The client."""
        from loaders.postgres_client import ReplacingClient

        return ReplacingClient

    def _raw_capabilities(self) -> DestinationCapabilitiesContext:
        capabilities: Any = super()._raw_capabilities()
        capabilities.type_mapper = JsonAsText
        return capabilities  # type: ignore[no-any-return]


def postgres_at(dsn: str) -> json_postgres:
    """Return the destination for a PostgreSQL address, a URL or `key=value` pairs."""
    return json_postgres(_dlt_url(dsn), destination_name="postgres")


def _dlt_url(dsn: str) -> str:
    """Return a PostgreSQL address in the one form dlt takes, a password in it in any case."""
    from psycopg2.extensions import parse_dsn

    parts = {"host": "localhost", "port": "5432", "password": "-", **parse_dsn(dsn)}
    user, password, host, name = (
        quote(parts[key] or "-", safe="") for key in ("user", "password", "host", "dbname")
    )
    return f"postgresql://{user}:{password}@{host}:{parts['port']}/{name}"
