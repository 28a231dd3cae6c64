"""dlt's client for PostgreSQL, which commits a load together with what it replaces."""

from __future__ import annotations

from dlt.destinations.impl.postgres.postgres import PostgresClient

from loaders import rewritten


class ReplacingClient(PostgresClient):
    """dlt's client for PostgreSQL."""

    def complete_load(self, load_id: str) -> None:
        """Record a load as committed."""
        rewritten.commit(self, load_id, super().complete_load)
