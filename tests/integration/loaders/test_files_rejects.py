"""Whatever is wrong with a file, its good rows arrive and its bad ones are set aside."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import duckdb
import pytest

from loaders.columns import columns
from tests.integration.loaders.drop_folder import HEADER, ROW, rows

if TYPE_CHECKING:
    from tests.integration.loaders.drop_folder import DropFolder


def test_bad_rows_are_set_aside_with_line_reason_and_text(drop: DropFolder) -> None:
    drop.write(
        "a.csv",
        rows(1) + "two,Ann,1,\n3,Ann\n4,Ann,1,,extra\n5,Ann,1.5,2026-02-30\n" + ROW.format(6),
    )
    assert drop.counts() == (6, 2, 4)
    assert drop.rows("id, _line") == [(1, 2), (6, 7)]
    assert [(line, reason) for _, line, reason, _ in drop.rejects()] == [
        ("3", "id: 'two' is not a bigint"),
        ("4", "missing columns: Expected Number of Columns: 4 Found: 2"),
        ("5", "too many columns: Expected Number of Columns: 4 Found: 5"),
        ("6", "sold_at: '2026-02-30' is not a timestamptz"),
    ]
    assert drop.rejects()[0][3] == '{"id":"two","name":"Ann","amount":"1","sold_at":null}'
    assert drop.rejects()[1][3] == "3,Ann"


def test_lines_are_right_in_a_file_that_is_read_in_parallel(drop: DropFolder) -> None:
    lines = [f"{line},Ann,1," for line in range(2, 300_002)]
    for line in (20_000, 150_000, 299_000):
        lines[line - 2] = "x,Ann,1,"
    lines[70_000 - 2] = "one,too,many,columns,here"
    drop.write("a.csv", HEADER + "\n".join(lines) + "\n")
    assert drop.counts() == (300_000, 299_996, 4)
    assert drop.rows("count(*), sum(case when id = _line then 1 else 0 end)") == [
        (299_996, 299_996)
    ]
    assert [position for _, position, _, _ in drop.rejects()] == [
        "150000",
        "20000",
        "299000",
        "70000",
    ]


def test_a_fraction_is_no_whole_number(drop: DropFolder) -> None:
    drop.write("a.csv", HEADER + "1.5,Ann,1,\n2.0,Ann,1,\n 3 ,Ann,1,\n9223372036854775808,Ann,1,\n")
    assert drop.counts() == (4, 2, 2)
    assert [row[0] for row in drop.rows()] == [2, 3]


def test_broken_json_lines_are_set_aside(drop: DropFolder) -> None:
    drop.write(
        "a.jsonl", '{"id": 1}\n{"id": \n[2]\n\n"text"\n{"id": "x"}\n{"id": 3, "amount": {}}\n'
    )
    assert drop.counts() == (6, 1, 5)
    assert [(line, reason) for _, line, reason, _ in drop.rejects()] == [
        ("2", "not valid JSON"),
        ("3", "not a JSON object"),
        ("5", "not a JSON object"),
        ("6", "id: 'x' is not a bigint"),
        ("7", "amount: '{}' is not a decimal(18, 2)"),
    ]


def test_an_open_quote_shows_what_it_swallowed(drop: DropFolder) -> None:
    drop.write("a.csv", rows(1) + '2,"Ann,1,\n' + ROW.format(3))
    assert drop.counts() == (2, 1, 1)
    assert "3,Ann,1.50" in drop.rejects()[0][3]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv.gz", gzip.compress(rows(*range(5000)).encode())[:-2000]),
        ("a.parquet", b"PAR1 this is not"),
    ],
    ids=["truncated gzip", "no parquet"],
)
def test_a_file_that_cannot_be_read_is_rejected_whole_until_it_changes(
    drop: DropFolder, name: str, content: bytes
) -> None:
    (drop.path / name).write_bytes(content)
    drop.write("b.csv", rows(7))
    assert drop.counts() == (2, 1, 1)
    assert drop.rejects()[0][2].startswith("the file cannot be read: ")
    assert drop.counts() == (0, 0, 0)
    (drop.path / name).unlink()
    drop.write("a.csv.gz", rows(1, 2))
    drop.counts()
    assert [row[0] for row in drop.rows()] == [1, 2, 7]


def test_many_bad_rows_have_their_lines_and_texts(drop: DropFolder) -> None:
    lines = []
    for line in range(2, 12_002):
        if line % 4 == 0:
            lines.append(f"bad{line},Ann,1,")
        elif line % 5 == 0:
            lines.append(f"too,many,columns,here,{line}")
        else:
            lines.append(f"{line},Ann,1,")
    drop.write("a.csv.gz", HEADER + "\n".join(lines) + "\n")
    assert drop.counts() == (12_000, 7_200, 4_800)
    assert drop.rows("count(*), sum(case when id = _line then 1 else 0 end)") == [(7_200, 7_200)]
    assert {
        (position, payload.split('"')[3] if payload.startswith("{") else payload)
        for _, position, _, payload in drop.rejects()
    } == {
        (str(line), f"bad{line}" if line % 4 == 0 else f"too,many,columns,here,{line}")
        for line in range(2, 12_002)
        if line % 4 == 0 or line % 5 == 0
    }


def test_a_parquet_file_of_other_types_is_judged(drop: DropFolder) -> None:
    rows = "values (1, 'a', 1.5::double), (2, 'b', 1e30), (3, 'c', null)"
    duckdb.execute(
        f"copy (select * from ({rows}) as t(id, name, amount)) to '{drop.path / 'a.parquet'}'"
    )
    assert drop.counts() == (3, 2, 1)
    assert drop.rows("id, _line") == [(1, 1), (3, 3)]
    assert [reject[1] for reject in drop.rejects()] == ["2"]


TYPED = [
    ("decimal(18, 2)", "1.50::decimal(9, 2)", "1.50", "1.005::decimal(9, 3)"),
    ("decimal(18, 2)", "12::integer", "12.00", "1.005::double"),
    ("decimal(9, 2)", "1.50::decimal(18, 4)", "1.50", "99999999.5::decimal(18, 4)"),
    ("bigint", "7::usmallint", "7", "18446744073709551615::ubigint"),
    ("bigint", "7::hugeint", "7", "1.5::float"),
    ("date", "'0005-01-20'::date", "0005-01-20", "'infinity'::date"),
    ("date", "'2026-01-31 00:00:00'::timestamp", "2026-01-31", "'2026-01-31 00:00:01'::timestamp"),
    ("timestamp", "'2026-01-31'::date", "2026-01-31 00:00:00+00", "'-infinity'::timestamp"),
    (
        "timestamp",
        "'2026-01-31'::timestamp_ms",
        "2026-01-31 00:00:00+00",
        "'infinity'::timestamptz",
    ),
    ("boolean", "true", "true", "5::integer"),
    ("double", "3.5::float", "3.5", "'x'"),
]
"""A declared type; a value of a Parquet file that is one, and what it becomes; one that is not."""


def test_a_column_of_a_parquet_file_is_judged_by_its_type(drop: DropFolder) -> None:
    names = [f"it_{number}" for number in range(len(TYPED))]
    declared = {name: kind for name, (kind, *_) in zip(names, TYPED, strict=True)}
    good = ", ".join(f"{value} as {n}" for n, (_, value, *_) in zip(names, TYPED, strict=True))
    duckdb.execute(f"copy (select 0 as id, {good}) to '{drop.path / 'good.parquet'}'")
    for name, (*_, value) in zip(names, TYPED, strict=True):
        rows = f"select 1 as id, {value} as {name} union all select 2, null"
        duckdb.execute(f"copy ({rows}) to '{drop.path / name}.parquet'")
    count = 2 * len(names) + 1
    assert drop.counts(columns=columns(id="bigint", **declared)) == (
        count,
        count - len(names),
        len(names),
    )
    texts = ", ".join(f"{name}::varchar" for name in names)
    assert drop.rows(f"id, _file, {texts}")[0][2:] == tuple(becomes for *_, becomes, _ in TYPED)
    assert {reject[:2] for reject in drop.rejects()} == {(f"{n}.parquet", "1") for n in names}


def test_one_bad_line_of_json_is_one_reject(drop: DropFolder) -> None:
    drop.write("bytes.jsonl", b'{"id": 1}\n{"id": 2, "name": "\xff\xfe"}\n{"id": 3}\n')
    drop.write("ends.jsonl", b'\xef\xbb\xbf{"id": 4}\n{"id": 5}\r\n{"id": 6}')
    drop.write("long.jsonl", '{"id": 7, "name": "' + "x" * 3_000_000 + '"}\n{"id": 8}\n')
    drop.write("nul.jsonl", b'{"id": 9}\n\0\0\n{"id": 10}\n')
    assert drop.counts() == (11, 8, 3)
    assert [row[0] for row in drop.rows("id, _line")] == [1, 3, 4, 5, 6, 8, 9, 10]
    assert [(path, line, reason.split(":")[0]) for path, line, reason, _ in drop.rejects()] == [
        ("bytes.jsonl", "2", "invalid encoding"),
        ("long.jsonl", "1", "line size over maximum"),
        ("nul.jsonl", "2", "not valid JSON"),
    ]


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.jsonl"])
def test_a_line_without_end_is_told_and_the_other_files_arrive(drop: DropFolder, name: str) -> None:
    long = "a" * (40 << 20)
    text = f"id,name\n1,Ann\n2,{long}\n3,Cy\n"
    drop.write(name, f'{{"id": 2, "name": "{long}"}}\n' if "json" in name else text)
    drop.write("b.csv", rows(7))
    assert drop.counts() == (2, 1, 1)
    assert "a line of over 8 MB" in drop.rejects()[0][2]
    assert [row[0] for row in drop.rows()] == [7]
