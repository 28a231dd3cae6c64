"""What an output has been told and what it answered: the delivery record, and how it is kept.

Three tables for each output, in schema `deliveries`:

- `<output>`: the delivery record, one row for each item that the far side has or has refused.
- `<output>__outbox`: the plan being sent. It is stored before the first batch goes out, so that a
  batch whose answer was lost goes out again exactly as it was, under the same idempotency key.
- `<output>__answers`: what came back, a row for each batch and for each item that fared otherwise.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from loaders import delivery_sql as sql
from loaders.errors import LoaderError
from loaders.outbox import SCHEMA, Counts, Outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from loaders.connection import Connection
    from loaders.senders.facts import Answer, Outcome


@dataclass(frozen=True)
class Refused:
    """An item that the far side refused."""

    key: str
    code: int | None
    answer: str | None
    """What the far side said."""
    refused_at: datetime
    """UTC."""
    run_id: str
    is_delete: bool


class DeliveryRecord:
    """One output's record, plan and answers."""

    def __init__(self, connection: Connection, output: str, run_id: str) -> None:
        self.connection = connection
        self.output = output
        self.run_id = run_id
        self.outbox = Outbox(connection, output)
        self._in_transaction = False
        self._tables = {
            "record": sql.relation(f"{SCHEMA}.{output}"),
            "outbox": self.outbox.table,
            "answers": sql.relation(f"{SCHEMA}.{output}__answers"),
        }

    def prepare(self) -> None:
        """Make what is missing of the three tables."""
        for statement in (f"create schema if not exists {SCHEMA}", sql.RECORD, sql.ANSWERS):
            self._run(statement)
        if not self.connection.table_exists(SCHEMA, f"{self.output}__outbox"):
            self._run(
                "create table {outbox} (_batch bigint, _position bigint, _plan text, "
                "_key text, _method text, _hash text)"
            )

    def plan(
        self,
        model: sql.Model,
        batch_size: int,
        approve: Callable[[Counts], object],
        *,
        keeps_rows: bool = True,
    ) -> Counts:
        """Store the difference between desired and delivered as the batches to be sent.

        Args:
            model: the desired state.
            batch_size: how many items go out together.
            approve: what it raises takes the plan back, before any of it could be sent.
            keeps_rows: whether the plan holds the rows, or only their keys.

        Raises:
            LoaderError: the model has a key twice, or none.
        """
        with self.transaction():
            self._tidy(model)
            self._run("drop table {outbox}")
            self._run(
                sql.PLAN,
                batch_size=batch_size,
                plan=f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{uuid4().hex[:8]}",
                desired=model.desired(),
                columns=model.columns(only_keys=not keeps_rows),
            )
            self._check_keys(model)
            if self.connection.kind == "postgres":
                self._run("create index on {outbox} (_batch)")
            counts = self.outbox.counts()
            approve(counts)
        return counts

    def count_delivered(self) -> int:
        """Count the items that the far side has."""
        return self._count("select count(*) from {record} where payload_hash is not null")

    def record(self, answers: list[Answer]) -> None:
        """Store answers, all or none of them."""
        rows: list[tuple[Any, ...]] = []
        now = datetime.now(UTC).replace(tzinfo=None)
        for answer in answers:
            rows.append((answer.number, None, "delivered", None, None, now, self.run_id))
            rows += [
                (answer.number, item.key, item.outcome, item.code, item.text, now, self.run_id)
                for item in answer.exceptions
            ]
        places = ", ".join(["(?, ?, ?, ?, ?, ?, ?)"] * len(rows))
        values = [value for row in rows for value in row]
        self._run(f"insert into {{answers}} values {places}", values)

    def settle(self) -> None:
        """Carry the answers over into the delivery record and take what they are for away."""
        if not self._count("select count(*) from {answers}"):
            return
        with self.transaction():
            for statement in (sql.SETTLED, sql.REPLACE, sql.KEEP):
                self._run(statement)
            self._run("delete from {outbox} where _batch in (select _batch from {answers})")
            self._run("delete from {answers}")
            self._run("drop table settled")

    def assume(self, outcome: Outcome) -> None:
        """Settle all that is in the outbox as if this had been the answer.

        `unknown` has it planned anew, `delivered` is for a rehearsal.
        """
        self._run(
            f"insert into {{answers}} (_batch, outcome) select distinct _batch, '{outcome}' "
            "from {outbox}"
        )
        self.settle()

    def refused(self) -> list[Refused]:
        """Return what the far side refused and has not been offered in another form since."""
        found = self._run(
            "select item_key, code, answer, refused_at, run_id, refused_hash = 'delete' "
            "from {record} where refused_hash is not null order by refused_at, item_key"
        ).fetchall()
        return [Refused(*row) for row in found]

    def forgive(self, keys: Sequence[str] = ()) -> None:
        """Forget what was refused, so that it is sent again: all of it, or the items of these keys.

        Raises:
            LoaderError: a key is that of no refused item.
        """
        wanted = set(keys)
        if missing := sorted(wanted - {item.key for item in self.refused()} if wanted else ()):
            raise LoaderError(
                f"Cannot replay '{missing[0]}': '{self.output}' has no refused item of that key. "
                f"`tidemill refused {self.output}` lists them."
            )
        chosen = f" and item_key in ({', '.join('?' * len(wanted))})" if wanted else ""
        self._run(
            f"update {{record}} set refused_hash = null where refused_hash is not null{chosen}",
            sorted(wanted),
        )

    def _tidy(self, model: sql.Model) -> None:
        if self._count("select count(*) from {record} where refused_hash is not null"):
            self._run(sql.FORGIVE, desired=model.desired())
            self._run(sql.FORGET, desired=model.desired())

    def _check_keys(self, model: sql.Model) -> None:
        found = self._run(
            "select _key, count(*) from {outbox} group by _key having count(*) > 1 or _key is null "
            "limit 1"
        ).fetchall()
        if found:
            key, count = found[0]
            shown = "no key" if key is None else f"the key '{key}' {count} times"
            raise LoaderError(
                f"Cannot deliver '{self.output}': its model '{model.name}' holds {shown}. "
                f"Make {', '.join(model.key)} unique and not null there."
            )

    def _run(self, statement: str, values: list[Any] | None = None, **names: Any) -> Connection:
        text = statement.format(**self._tables, **names)
        return self.connection.execute(text, values or [])

    def _count(self, statement: str) -> int:
        return int(self._run(statement).fetchall()[0][0])

    @contextmanager
    def transaction(self, *, keep: bool = True) -> Iterator[None]:
        """Do all of what is in it or nothing; one inside another is part of that.

        Args:
            keep: without it, all is taken back at the end: a rehearsal.
        """
        if self._in_transaction:
            yield
            return
        self.connection.execute("begin")
        self._in_transaction = True
        try:
            yield
        except BaseException:
            self.connection.execute("rollback")
            raise
        else:
            self.connection.execute("commit" if keep else "rollback")
        finally:
            self._in_transaction = False
