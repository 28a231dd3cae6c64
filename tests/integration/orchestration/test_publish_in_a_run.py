"""Readers, a hundred a second during a run of the whole project, see yesterday or today."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg2
import pytest

from tests.faults.chain import Chain
from tests.integration.orchestration.readers import reading

if TYPE_CHECKING:
    from pathlib import Path

QUESTIONS = (
    "select count(*), max(updated_at) from {schema}.fct_orders",
    "select count(*), sum(revenue) from {schema}.agg_daily_sales",
    "select count(*) from {schema}.fct_events",
)


class Reader:
    """Asks several marts in one transaction."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain

    def read(self) -> tuple[Any, ...]:
        if self.chain.dsn is None:
            published = str(self.chain.var / "published.duckdb")
            with duckdb.connect(published, read_only=True) as connection:
                return tuple(
                    connection.execute(question.format(schema="marts")).fetchone()
                    for question in QUESTIONS
                )
        with closing(psycopg2.connect(self.chain.dsn)) as connection:
            cursor = connection.cursor()
            answers = []
            for question in QUESTIONS:
                cursor.execute(question.format(schema="published"))
                answers.append(cursor.fetchone())
            return tuple(answers)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_a_run_changes_what_readers_see_at_one_moment(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    dsn = request.getfixturevalue("postgres") if kind == "postgres" else None
    with Chain(var=tmp_path, dsn=dsn) as chain:
        reader = Reader(chain)
        chain.shop.advance()
        chain.complete()
        yesterday = reader.read()
        chain.shop.advance()
        with chain.begin() as run, reading(lambda: reader.read) as seen:
            _, told = run.communicate()
        assert run.returncode == 0, told
        today = reader.read()
    assert today != yesterday
    assert set(seen) == {yesterday, today}
    assert seen.total() > 100
