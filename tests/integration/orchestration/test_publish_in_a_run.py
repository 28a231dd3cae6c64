"""Readers, a hundred a second during a run of the whole project, see yesterday or today."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg2
import pytest

from tests.faults.chain import Chain

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

PER_SECOND = 100
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

    def during(self, run: subprocess.Popen[str]) -> Counter[Any]:
        """Read until the run has ended; count what was seen, and every failure."""
        seen: Counter[Any] = Counter()
        while run.poll() is None:
            begun = time.perf_counter()
            try:
                seen[self.read()] += 1
            except Exception as error:  # noqa: BLE001  a failure is what is looked for
                seen[repr(error)] += 1
            time.sleep(max(0.0, 1 / PER_SECOND - (time.perf_counter() - begun)))
        return seen


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
        with chain.begin() as run:
            seen = reader.during(run)
            assert run.stderr is not None
            assert run.returncode == 0, run.stderr.read()
        today = reader.read()
    assert today != yesterday
    assert set(seen) == {yesterday, today}
    assert seen.total() > 100
