"""How files of JSON arrive in DuckDB: line by line, or as the elements of an array."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from loaders.columns import literal
from loaders.gate import json_path
from loaders.readers.formats import KEEP_BROKEN, Arrival, sql_list

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

NO_DELIMITER: Final = "\x01\x02\x03\x04"
_BRACE: Final = "starts_with(ltrim(line, ' \t\r'), '{')"
"""Valid JSON that begins so is an object: cheaper than json_type."""
SMALL: Final = ", buffer_size=4194304"
"""Option of read_csv: not more than 4 MB of a file are read for its first rows."""
KEY_LISTS: Final = 20
"""So many kinds of objects in a JSON Lines file are told apart at a glance."""


def json_arrival(
    place: Path,
    *,
    kind: str,
    key_lists: Sequence[Sequence[str]],
    are_all: bool,
    is_decimal: Callable[[str], bool],
) -> Arrival:
    """Return the rows of a file of JSON: its lines, or the elements of its array.

    Args:
        place: where its bytes are.
        kind: `jsonl` or `array`.
        key_lists: the keys of one object each, in their order; the most usual first.
        are_all: whether there are no others; else an object unlike any is novel.
        is_decimal: tells by a key whether all digits of its numbers count.
    """
    usual = list(dict.fromkeys(key_lists[0])) if key_lists else []
    keys = [*usual, *sorted({key for keys in key_lists for key in keys} - {*usual})]
    paths = ", ".join(literal(json_path(key)) for key in keys)
    known = "".join(f", {sql_list(keys)}" for keys in key_lists[:KEY_LISTS])
    return Arrival(
        relation=(
            # whatever DuckDB evaluates beforehand, it asks nothing of a text that is no object
            "select *, case when is_usual then json_extract_string(_object, '$.*') "
            f"else json_extract_string(_object, [{paths}]) end as _values "
            "from (select *, case when is_object then line end as _object, "
            f"_keys = {sql_list(usual)}::varchar[] as is_usual "
            "from (select *, case when _keys is null then null when len(_keys) > 0 then true "
            f"else {_BRACE} end as is_object "
            "from (select line, case when json_valid(line) then json_keys(line) end as _keys "
            f"from ({_texts(place, kind, KEEP_BROKEN)}))))"
        ),
        fields={
            key: _digits(key, f"_values[{number}]") if is_decimal(key) else f"_values[{number}]"
            for number, key in enumerate(keys, 1)
        },
        key_lists=key_lists,
        payload="line",
        unreadable="case when is_usual then null when is_object is null then 'not valid JSON' "
        "when not is_object then 'not a JSON object' "
        "when len(list_distinct(_keys)) < len(_keys) "
        "then 'a key occurs twice' end",
        is_blank="is_object is null and trim(coalesce(line, '')) = ''",
        # as many keys as values: none is unknown, and their list need not be compared
        is_novel="false"
        if are_all
        else "case when is_usual or not coalesce(is_object, false) then false "
        "when len(_keys) = list_count(_values) then false "
        f"else _keys not in ([]::varchar[]{known}) end",
    )


def _digits(key: str, value: str) -> str:
    """Return the expression of a long number as it is written: DuckDB keeps 17 of its digits."""
    there = rf'"{re.escape(key)}"\s*:\s*(-?\d[0-9.eE+-]*)'
    written = f"regexp_extract(line, {literal(there)}, 1)"
    is_it = f"try_cast({written} as double) = try_cast({value} as double)"
    return f"case when strlen({value}) > 15 and {is_it} then {written} else {value} end"


def json_key_lists(place: Path, kind: str, rows: int | None = None) -> str:
    """Return SQL that gives each list of keys that an object of a file of JSON has."""
    some = f" limit {rows}" if rows else ""
    lines = _texts(place, kind, f"ignore_errors=true{SMALL if rows else ''}")
    return (
        "select json_keys(line) as keys "
        f"from (select * from ({lines}) where json_valid(line) and {_BRACE}{some}) group by keys "
        "order by count(*) desc, keys"
    )


def _texts(place: Path, kind: str, errors: str) -> str:
    if kind == "array":
        return (
            f"select json::varchar as line from read_json({literal(str(place))}, format='array', "
            "records='false', columns={'json': 'json'})"
        )
    return (
        f"select line from read_csv({literal(str(place))}, columns={{'line': 'varchar'}}, "
        "auto_detect=false, "
        f"header=false, delim={literal(NO_DELIMITER)}, quote='', escape='', strict_mode=false, "
        f"{errors})"
    )
