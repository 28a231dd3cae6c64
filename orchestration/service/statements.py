"""The SQL of a question to a mart, the same on DuckDB and PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestration.service.query import Clause, Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestration.service.catalog import Mart
    from orchestration.service.query import Ask, Order


def rows(ask: Ask) -> Statement:
    """Return the statement for a page's rows, and for one more that tells whether others follow."""
    clauses = [*ask.filters]
    if ask.after is not None:
        clauses.append(behind(ask.order, ask.after))
    offset = 0 if ask.is_keyset else (ask.page - 1) * ask.page_size
    sql, values = _where(clauses)
    return Statement(
        sql=f"select {columns(ask.mart)} from {table(ask.mart)}{sql} "
        f"order by {ordered(ask.order)} limit {ask.page_size + 1} offset {offset}",
        values=values,
    )


def count(ask: Ask) -> Statement:
    """Return the statement that counts all rows that fit."""
    sql, values = _where(ask.filters)
    return Statement(sql=f"select count(*) from {table(ask.mart)}{sql}", values=values)


def export(ask: Ask, *, is_sorted: bool) -> Statement:
    """Return the statement for all rows that fit; in their order only when one was asked for."""
    sql, values = _where(ask.filters)
    order = f" order by {ordered(ask.order)}" if is_sorted else ""
    return Statement(
        sql=f"select {columns(ask.mart)} from {table(ask.mart)}{sql}{order}", values=values
    )


def table(mart: Mart) -> str:
    """Return the mart's table, in the schema that a connection to the marts is in."""
    return f'"{mart.model}"'


def columns(mart: Mart) -> str:
    """Return the select list."""
    return ", ".join(f'"{column.name}"' for column in mart.columns)


def ordered(order: Sequence[Order]) -> str:
    """Return the ORDER BY; what is null comes last, whichever way."""
    return ", ".join(
        f'"{term.column.name}" {"desc" if term.is_descending else "asc"} nulls last'
        for term in order
    )


def behind(order: Sequence[Order], values: Sequence[Any]) -> Clause:
    """Return the condition for rows that come behind the one with these values."""
    alternatives: list[Clause] = []
    same: list[Clause] = []
    for term, value in zip(order, values, strict=True):
        after = _after(term, value)
        if after is not None:
            alternatives.append(_all([*same, after]))
        same.append(_same(term, value))
    if not alternatives:
        return Clause(sql="false")
    sql = " or ".join(f"({one.sql})" for one in alternatives)
    return Clause(sql=f"({sql})", values=tuple(v for one in alternatives for v in one.values))


def _after(term: Order, value: Any) -> Clause | None:
    name = f'"{term.column.name}"'
    if value is None:  # nulls are last: nothing comes behind them
        return None
    sign = "<" if term.is_descending else ">"
    nulls = f" or {name} is null" if term.column.is_nullable else ""
    return Clause(sql=f"({name} {sign} ?{nulls})", values=(value,))


def _same(term: Order, value: Any) -> Clause:
    name = f'"{term.column.name}"'
    if value is None:
        return Clause(sql=f"{name} is null")
    return Clause(sql=f"{name} = ?", values=(value,))


def _all(clauses: Sequence[Clause]) -> Clause:
    sql = " and ".join(clause.sql for clause in clauses)
    return Clause(sql=sql, values=tuple(v for clause in clauses for v in clause.values))


def _where(clauses: Sequence[Clause]) -> tuple[str, tuple[Any, ...]]:
    whole = _all(clauses)
    return (f" where {whole.sql}", whole.values) if clauses else ("", ())
