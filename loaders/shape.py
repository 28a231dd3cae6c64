"""What a table's rows must look like to pass gate one, as SQL of DuckDB's."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

import dlt

from loaders.columns import literal, quoted
from loaders.drift import ANYTHING, FREEZE, Rule
from loaders.errors import TableStopped

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dlt.common.schema.typing import TColumnSchema

WHOLE_NUMBER: Final = r"[+-]?\d+(\.0*)?"
JSON_STRING: Final = r'"(\\.|[^"\\])*"'
NO_JSON: Final = "(?i)nan|inf"
"""Numbers that DuckDB reads in JSON, and that are none there."""
NUL: Final = ": holds the character NUL, which PostgreSQL has no place for"
PLACE: Final = ("_file", "_line")
"""What tells the rows of files apart, which have no key of their own."""
TIMES: Final = {
    "timestamptz": "'4713-01-01 (BC) 00:00:00+00'::timestamptz and '290000-01-01 00:00:00+00'",
    "date": "'4713-01-01 (BC)'::date and '290000-01-01'",
}
"""From PostgreSQL's first moment on; what is infinite lies beyond."""
FOUR_DIGITS: Final = r"\s*[+-]?\d{4}"
"""How a year is written: '05-01-20' is no day of the year 5."""
LEAST: Final = 1e-15
NOISE: Final = 1e-12
"""What a decimal may differ from what arrived, as a share of it: 19.990000000000002 is 19.99."""
UNIT: Final = 1e-4
"""The most that it may differ, as a share of the last place that is declared."""
TOLD_APART: Final = 4e11
"""So many units of the last place, and no more, does a double tell from its neighbours."""
SINCE_1970: Final = {"seconds": 1_000_000, "milliseconds": 1_000, "microseconds": 1}
NO_SECONDS: Final = r"^(\S{10}[T ]\d\d:\d\d)(Z|[+-]\d\d:?\d\d)$"
"""A time with a zone and without seconds, as Java writes one at :00; DuckDB's cast takes none."""
ZONE: Final = "[-ADE-SU-Za-su-z]"
"""What tells, behind a text's date, that a zone follows the time; neither a `T` nor `BC` does."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a table's rows must look like to pass."""

    table: str
    types: Mapping[str, str]
    """Declared column to DuckDB type; other columns pass as text."""
    key: tuple[str, ...]
    """Columns that must not be null, since rows are merged by them."""
    rule: Rule = ANYTHING
    """How the table takes further columns."""
    formats: Mapping[str, str] = field(default_factory=dict)
    """How dates and times are written, as `strptime` has it; those of others are of ISO 8601."""
    nulls: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Texts that stand for nothing in a column."""
    typed: frozenset[str] = frozenset()
    """Columns that do not arrive as text."""
    fit: frozenset[str] = frozenset()
    """Of these, columns whose values all fit: what has its type already is not looked at again."""
    moments: frozenset[str] = frozenset()
    """Of these, columns that arrive as dates or times and are declared as one."""
    decimal: str = "."
    """What stands before the decimals of a number: `.` or `,`."""
    hints: Mapping[str, TColumnSchema] = field(default_factory=dict)
    """The declared columns, as dlt has them."""

    def check(self, names: Iterable[str]) -> None:
        """Look at the columns that have come.

        Raises:
            TableStopped: some of them are new, and the table is frozen.
        """
        new = self.rule.unknown(names) if self.rule.policy == FREEZE else []
        if new:
            source = dlt.current.source_schema().name
            raise TableStopped(
                f"The table '{source}.{self.table}' stopped: its shape is frozen, and its rows "
                f"have more columns: {', '.join(new)}. Nothing of it was loaded, and nothing "
                "is lost. Declare them in its `columns`, or let it EVOLVE, and load again.",
                table=self.table,
            )

    def good(self, fields: Mapping[str, str], *, load_id: str, extra: str = "") -> str:
        """Return the select list of rows that pass.

        Args:
            fields: column to the SQL expression of what arrived for it, text or typed.
            load_id: dlt's id of the load that these rows belong to.
            extra: further select items, ended by a comma.
        """
        new = self.rule.unknown(fields)
        declared = [f"{self.cast(name, fields)} as {quoted(name)}" for name in self.types]
        others = [
            f"({expression})::varchar as {quoted(name)}"
            for name, expression in fields.items()
            if name not in self.types and name not in new
        ]
        return ", ".join([*declared, *others, f"{extra} {literal(load_id)} as _dlt_load_id"])

    def given(self, name: str, fields: Mapping[str, str]) -> str:
        """Return the expression of what arrived for a column; null of what stands for nothing."""
        value = fields.get(name, "null")
        if name not in self.nulls or name in self.typed:
            return value
        nothing = ", ".join(map(literal, self.nulls[name]))
        return f"case when ({value})::varchar not in ({nothing}) then {value} end"

    def cast(self, name: str, fields: Mapping[str, str]) -> str:
        """Return the expression that gives a declared column its type, or null for a misfit."""
        kind = self.types[name]
        if name not in fields:
            return f"null::{kind}"
        arrived = self.given(name, fields)
        if name in self.fit:
            return f"({arrived})::{kind}"
        if self.decimal == "," and kind.startswith(("bigint", "double", "decimal")):
            arrived = f"translate({arrived}, ',.', '.,')"  # a point stands in no such number
        if kind == "bigint":  # a plain cast would round '1.5' to 2
            text, number = f"({arrived})::varchar", f"try_cast({arrived} as bigint)"
            whole = f"{number}::varchar = {text}"  # spares most values the expression
            whole += f" or regexp_full_match(trim({text}), '{WHOLE_NUMBER}')"
            return f"case when {whole} then {number} end"
        arrived = self._written(name, arrived)
        value = f"try_cast({arrived} as {kind})"
        if kind == "timestamptz" and name in self.moments:
            value = as_instant(arrived)
        elif kind == "timestamptz" and name not in self.formats and name not in self.typed:
            value = _instant(arrived)
        fits = self._fits(name, arrived, value)
        return f"case when {fits} then {value} end" if fits else value

    def _written(self, name: str, arrived: str) -> str:
        """Return the expression of what arrived, read as it is said to be written."""
        written = self.formats.get(name)
        if written in SINCE_1970:
            return _counted(arrived, SINCE_1970[written])
        if written:
            return f"try_strptime(({arrived})::varchar, {literal(written)})"
        # of a number a cast would make true
        return f"({arrived})::varchar" if self.types[name] == "boolean" else arrived

    def _fits(self, name: str, arrived: str, value: str) -> str:
        """Return the condition that a value is what arrived, '' where a cast is enough."""
        kind = self.types[name]
        if kind in TIMES:
            return self._is_time(name, arrived, value)
        if kind.startswith("decimal"):
            return _is_exact(arrived, value, kind)
        if kind == "double" and name not in self.typed:  # a text of digits is never infinite
            return f"isfinite({value}) or not regexp_matches({arrived}, '[0-9]')"
        if kind == "json":
            bare = f"regexp_replace({value}::varchar, {literal(JSON_STRING)}, '', 'g')"
            return f"not regexp_matches({bare}, {literal(NO_JSON)})"
        return ""

    def _is_time(self, name: str, arrived: str, value: str) -> str:
        """Return the condition that a date or time is what arrived: a cast would cut a time off."""
        kind, text = self.types[name], f"({arrived})::varchar"
        if name in self.moments:
            is_time = f"{value} between {TIMES[kind]}"
            return f"{is_time} and {value} = {arrived}" if kind == "date" else is_time
        year = f"{value} >= '1000-01-01' or regexp_matches({text}, '^{FOUR_DIGITS}')"
        is_time = f"{value} between {TIMES[kind]} and ({year})"
        if kind != "date" or name in self.formats:
            return is_time
        moment = f"try_cast(trim({text}) as timestamp)"
        return f"{is_time} and ({value}::varchar = {text} or {value} = {moment})"

    def reason(self, fields: Mapping[str, str], casts: Mapping[str, str] | None = None) -> str:
        """Return the expression that tells why a row does not pass: '' when it does.

        Args:
            fields: column to the SQL expression of what arrived for it.
            casts: declared column to the expression of its value, where it was made already.
        """
        value = casts.__getitem__ if casts else partial(self.cast, fields=fields)
        misfits = [
            f"case when ({self.given(name, fields)}) is not null and ({value(name)}) is null then "
            f"{literal(name + ': ')} || {literal(chr(39))} || left(({fields[name]})::varchar, 80) "
            f"|| {literal(chr(39) + ' is not a ' + self._told(name, kind))} end"
            for name, kind in self.types.items()
            if name in fields and name not in self.fit and kind != "varchar"
        ]
        missing = [
            f"case when ({self.given(name, fields)}) is null "
            f"then {literal(name + ' is missing')} end"
            for name in self.key
        ]
        new = [
            f"case when ({fields[name]}) is not null then {literal(name + ' is a new column')} end"
            for name in self.rule.unknown(fields)
        ]
        nuls = [
            f"case when {found} then {literal(name + NUL)} end"
            for name, found in self.nuls(fields).items()
        ]
        return f"concat_ws('; ', {', '.join([*misfits, *missing, *new, *nuls, 'null'])})"

    def _told(self, name: str, kind: str) -> str:
        return f"{kind} like {self.formats[name]}" if name in self.formats else kind

    def nuls(self, fields: Mapping[str, str]) -> dict[str, str]:
        """Return, for each text, the condition that the warehouse has no place for it."""
        return {
            name: f"contains(({value})::varchar, chr(0))"
            for name, value in fields.items()
            if self.types.get(name, "varchar") == "varchar"
            and name not in self.fit
            and not self.rule.takes_nul
        }


def _is_exact(arrived: str, value: str, kind: str) -> str:
    """Return the condition that a decimal is what arrived: a cast would round 1.005 to 1.01."""
    text, unit = f"({arrived})::varchar", 10.0 ** -int(kind.strip("decimal() ").split(",")[1])
    number = f"try_cast({arrived} as double)"
    near = f"least(greatest({LEAST}, abs({number}) * {NOISE}), {unit * UNIT})"
    close = f"abs({value}::double - {number}) <= {near}"
    # beyond that a double does not tell neighbours apart; what is written with `e` was one itself
    is_told = f"abs({number}) < {unit * TOLD_APART} or contains({text}, 'e')"
    return (
        f"{value}::varchar = {text} "
        f"or ({close} and ({is_told} or {bare(f'{value}::varchar')} = {bare(text)}))"
    )


def bare(number: str) -> str:
    """Return the expression of a number's text without what says nothing: ` +1.50` is `1.5`."""
    text = f"ltrim(trim({number}), '+')"
    return f"case when contains({text}, '.') then rtrim(rtrim({text}, '0'), '.') else {text} end"


def _counted(number: str, microseconds: int) -> str:
    """Return the expression of the instant that is so many units after 1970."""
    return f"try(make_timestamptz((try_cast({number} as decimal(30, 6)) * {microseconds})::bigint))"


def as_instant(moment: str) -> str:
    """Return the expression of a date or time as an instant of UTC; null of an infinite one.

    DuckDB's cast gives the same, and takes as long as the rest of a row.
    """
    return f"make_timestamptz(epoch_us({moment}))"


def _instant(text: str) -> str:
    """Return the expression that reads a text as an instant, UTC where it names no zone.

    DuckDB's cast of such a text takes three times as long, and the zone of a row before where that
    has one by name.
    """
    here = as_instant(f"try_cast({text} as timestamp)")
    whole = rf"regexp_replace({text}, '{NO_SECONDS}', '\1:00\2')"
    there = f"try(coalesce(try_cast({text} as timestamptz), try_cast({whole} as timestamptz)))"
    return (
        f"case when strlen({text}) = 19 and ({text})[17] = ':' then {here} "
        f"when contains({text}, '+') or ({text})[-1] = 'Z' then {there} "
        f"when regexp_matches(({text})[12:], '{ZONE}') then {there} else {here} end"
    )
