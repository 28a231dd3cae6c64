"""A row is the same in whatever format and notation it comes."""

from __future__ import annotations

import gzip
from decimal import Decimal
from typing import TYPE_CHECKING

import duckdb
import pytest

from loaders.columns import columns
from loaders.readers.formats import CsvOptions
from tests.integration.loaders.drop_folder import HEADER, rows

if TYPE_CHECKING:
    from tests.integration.loaders.drop_folder import DropFolder


def test_each_format_and_compression_gives_the_same_rows(drop: DropFolder) -> None:
    table = (
        "select 7 as id, 'Zoë' as name, 1.5 as amount, "
        "timestamptz '2026-01-01 00:00:00Z' as sold_at"
    )
    for name, how in {
        "a.csv": "header",
        "b.csv.gz": "header, compression gzip",
        "c.csv.zst": "header, compression zstd",
        "d.jsonl": "format json",
        "e.ndjson.gz": "format json, compression gzip",
        "f.parquet": "format parquet",
    }.items():
        duckdb.execute(f"copy ({table}) to '{drop.path / name}' ({how})")
    drop.write("g.tsv.txt", "not of this pattern")
    assert drop.counts(pattern="*.[cjnp]*") == (6, 6, 0)
    assert set(drop.rows("id, name, amount, sold_at")) == {
        (7, "Zoë", Decimal("1.50"), *drop.rows("id, sold_at")[0][1:])
    }


def test_text_as_the_world_writes_it(drop: DropFolder) -> None:
    drop.write("bom.csv", b"\xef\xbb\xbf" + rows(1).encode())
    drop.write("crlf.csv", rows(2).replace("\n", "\r\n"))
    drop.write("quoted.csv", HEADER + '3,"An, ""A""\nn",1,\n')
    drop.write("no_newline.csv", rows(4).rstrip("\n"))
    drop.write("bad_bytes.csv", rows(5).encode() + b"6,\xff\xfe,1,\n")
    drop.write("empty.csv", "")
    drop.write("header.csv", HEADER)
    assert drop.counts() == (6, 5, 1)
    assert drop.rows()[2] == (3, 'An, "A"\nn', Decimal("1.00"))
    assert "encoding" in drop.rejects()[0][2]


def test_delimiter_quote_encoding_and_no_header(drop: DropFolder) -> None:
    drop.write("a.csv", "1;'Zoë;';2,5;\n".encode("latin-1"))
    options = CsvOptions(delimiter=";", quote="'", escape="'", encoding="latin-1", header=False)
    assert drop.counts(csv=options) == (1, 0, 1)  # a comma is no decimal point
    drop.write("b.csv", "2;'Zoë;';2.5;\n".encode("latin-1"))
    assert drop.counts(csv=options) == (1, 1, 0)
    assert drop.rows("id, name, _line") == [(2, "Zoë;", 1)]


def test_a_new_column_widens_the_table_and_is_reported(drop: DropFolder) -> None:
    drop.write("a.csv", rows(1))
    drop.load()
    drop.write("b.csv", "id,name,amount,sold_at,Größe (cm)\n2,Bo,1,,42\n")
    drop.write("c.jsonl", '{"id": 3, "tags": {"a": [1]}}\n')
    notices = drop.load().notices
    assert "drop.sales has a new column 'grosse_cmx' (text)." in notices
    assert "drop.sales has a new column 'tags' (text)." in notices
    assert drop.rows("id, grosse_cmx, tags") == [
        (1, None, None),
        (2, "42", None),
        (3, None, '{"a":[1]}'),
    ]


def test_a_missing_column_gives_nulls_and_is_reported(drop: DropFolder) -> None:
    drop.write("a.csv", "id,sold_at\n1,\n")
    result = drop.load()
    assert drop.rows() == [(1, None, None)]
    assert "drop.sales: 'a.csv' lacks the columns amount, name; they are null." in result.notices
    drop.write("b.csv", "id,sold_at\n2,\n")
    drop.write("c.csv", "id,sold_at\n3,\n")
    told = "drop.sales: 'b.csv' and 1 more lack the columns amount, name; they are null."
    assert told in drop.load().notices


def test_two_hundred_columns(drop: DropFolder) -> None:
    names = [f"c{number}" for number in range(200)]
    declared = columns(**dict.fromkeys(names, "bigint"))
    drop.write("a.csv", f"{','.join(names)}\n{','.join('7' * 200)}\n")
    assert drop.counts(columns=declared) == (1, 1, 0)
    assert drop.rows("c0, c199") == [(7, 7)]


def test_a_key_that_comes_late_in_a_file_is_found(drop: DropFolder) -> None:
    lines = [f'{{"id": {number}, "name": "Ann"}}' for number in range(1, 20_001)]
    lines[15_000] = '{"name": "Bo", "id": 15001, "late": "yes"}'
    lines[15_001] = '{"id": 15002, "late": null}'
    lines[17_000] = "{broken"
    drop.write("a.jsonl.gz", "\n".join(lines) + "\n")
    assert drop.counts() == (20_000, 19_999, 1)
    assert drop.rows("late, id, _line")[0] == ("yes", 15_001, 15_001)
    assert drop.rows("count(*), sum(case when id = _line then 1 else 0 end)") == [(19_999, 19_999)]
    assert drop.rejects()[0][:2] == ("a.jsonl.gz", "17001")


def test_line_ends_of_what_cannot_be_read_are_no_obstacle(drop: DropFolder) -> None:
    mixed = gzip.compress(b"id,name,amount,sold_at\r\n" + rows(*range(50_000)).encode())
    drop.write("cut.csv.gz", mixed[: len(mixed) // 2])
    drop.write("good.csv", rows(1))
    assert drop.counts() == (2, 1, 1)
    drop.write("wide.csv", (HEADER + "2,B,2,\r\n3,C,3,\n4\n").encode("utf-16"))
    found = drop.counts(csv=CsvOptions(encoding="utf-16"), pattern="wide.csv")
    assert found[0] == found[1] + found[2]


def test_values_are_found_by_their_keys_in_whatever_order(drop: DropFolder) -> None:
    drop.write(
        "a.jsonl",
        '{"id": 1, "name": "A", "amount": 1.5}\n'
        '{"id": 2, "name": {"first": "B"}, "amount": null}\n'
        '{"amount": 3.5, "name": "C", "id": 3}\n'
        '{"id": 4, "amount": 4.5}\n'
        '{"id": 5, "id": 50, "name": "E", "amount": 5.5}\n'
        "{}\n",
    )
    assert drop.counts() == (6, 5, 1)
    assert "a key occurs twice" in drop.rejects()[0][2]
    assert drop.rows("id, name, amount, _line") == [
        (1, "A", Decimal("1.50"), 1),
        (2, '{"first":"B"}', None, 2),
        (3, "C", Decimal("3.50"), 3),
        (4, None, Decimal("4.50"), 4),
        (None, None, None, 6),
    ]


@pytest.mark.parametrize("ends", ["\n \r\n", "\r\n \n", "\n \r", "\r\n \r"])
def test_lines_may_end_in_different_ways(drop: DropFolder, ends: str) -> None:
    usual, odd = ends.split(" ")
    lines = "id,name,amount,sold_at", "1,A,1,", '2,"B, ""2""",2,', "x,X,3,", '4,"D",4,"2026-01-01"'
    jsonl = ['{"id": 1, "name": "A"}', '{"id": 2, "name": "B"}', "{,", '{"id": 4, "name": "D"}']
    drop.write("a.csv", usual.join(lines[:4]) + odd + lines[4] + usual)
    drop.write("b.csv", lines[0] + usual + odd.join(lines[1:]))
    drop.write("c.jsonl", usual.join(jsonl[:2]) + odd + usual.join(jsonl[2:]))
    assert drop.counts() == (12, 9, 3)
    numbered = {"a.csv": [(1, 2), (2, 3), (4, 5)], "c.jsonl": [(1, 1), (2, 2), (4, 4)]}
    expected = numbered | {"b.csv": numbered["a.csv"]}
    assert drop.rows("_file, id, _line") == [
        (file, *row) for file, its in sorted(expected.items()) for row in its
    ]


def test_a_time_zone_is_that_of_its_row_alone(drop: DropFolder) -> None:
    """DuckDB gives a time without a zone the named zone of the row before."""
    times = {
        "2026-07-01 12:00:00 Europe/Berlin": "10:00",
        "2026-07-01 12:00:00": "12:00",
        "2026-07-01 12:00": "12:00",
        "2026-07-01T12:00:00.5": "12:00",
        "2026-07-01": "00:00",
        "2026-07-01T12:00:00Z": "12:00",
        "2026-07-01T12:00:00-02:00": "14:00",
        "2026-07-01 12:00:00+02": "10:00",
    }
    drop.write("zones.csv", HEADER + "".join(f"{n},a,1,{t}\n" for n, t in enumerate(times)))
    values = ", ".join(f"({n}, 'a', 1, '{t}')" for n, t in enumerate(times))
    duckdb.execute(
        f"copy (from (values {values}) t(id, name, amount, sold_at)) to '{drop.path / 'z.parquet'}'"
    )
    drop.load()
    for file in ("zones.csv", "z.parquet"):
        found = drop.rows("_file, id, (sold_at at time zone 'UTC')::varchar")
        assert [str(at)[11:16] for name, _, at in found if name == file] == list(times.values())


def test_decimals_in_json_lines_keep_their_digits(drop: DropFolder) -> None:
    numbers = [
        "1234567890123456.78",
        "-9999999999999999.99",
        "12345678901234567.8",
        "0.1",
        "1.5e3",
        '"1234567890123456.78"',
        "19.990000000000002",
        "1234567890123456.789",
    ]
    objects = [f'{{"id": {n}, "amount" : {number}}}' for n, number in enumerate(numbers)]
    drop.write("a.jsonl", "\n".join(objects))
    drop.load(columns=columns(id="bigint", amount="decimal(20, 2)"))
    told = ["1234567890123456.78", "-9999999999999999.99", "12345678901234567.8", "0.1", "1500"]
    expected = [Decimal(text) for text in (*told, "1234567890123456.78", "19.99")]
    assert [amount for _, amount in drop.rows("id, amount")] == expected
    assert "1234567890123456.789" in drop.rejects()[0][2]


def test_a_json_file_may_be_an_array(drop: DropFolder) -> None:
    drop.write(
        "a.json", '\n[{"id": 1, "name": "Ann"},\n {"id": 2,\n  "name": "B,o"}, 3, {"id": "x"}]\n'
    )
    drop.write("b.json.gz", '[{"id": 4}]')
    drop.write("c.json", '{"id": 5}\n{"id": 6}\n')
    drop.write("d.json", "[]")
    drop.write("e.json", '[{"id": 7}, {"id": 8')
    assert drop.counts() == (8, 5, 3)
    assert drop.rows("id, _file, _line") == [
        (1, "a.json", 1),
        (2, "a.json", 2),
        (4, "b.json.gz", 1),
        (5, "c.json", 1),
        (6, "c.json", 2),
    ]
    assert [(file, line) for file, line, *_ in drop.rejects()] == [
        ("a.json", "3"),
        ("a.json", "4"),
        ("e.json", None),
    ]


def test_a_key_that_comes_late_in_an_array_is_found(drop: DropFolder) -> None:
    objects = ['{"id": 1}'] * 10_000 + ['{"id": 2, "late": "yes"}']
    drop.write("a.json", f"[{', '.join(objects)}]")
    assert drop.counts() == (10_001, 10_001, 0)
    assert drop.rows("id, late, _line")[-1] == (2, "yes", 10_001)


def test_numbers_with_a_decimal_comma(drop: DropFolder) -> None:
    drop.write(
        "a.csv", "id;name;amount\n1;Ann;1,50\n2;1,5;-0,5\n3;Cy;1.50\n4;Di;1.234,00\n5;Ed;7\n"
    )
    assert drop.counts(csv=CsvOptions(delimiter=";", decimal=",")) == (5, 3, 2)
    assert drop.rows() == [
        (1, "Ann", Decimal("1.50")),
        (2, "1,5", Decimal("-0.50")),
        (5, "Ed", Decimal("7.00")),
    ]
    assert "'1.50' is not a decimal" in drop.rejects()[0][2]


def test_lists_and_records_of_a_parquet_file_are_json(drop: DropFolder) -> None:
    nested = "select 1 as id, ['a', null] as tags, {'n': 1.5, 'of': {'k': 'x'}} as record, "
    nested += "map {'k': [1, 2]} as attributes, ['nan'::double] as odd"
    duckdb.execute(f"copy ({nested}) to '{drop.path / 'a.parquet'}' (format parquet)")
    declared = columns(id="bigint", record="json")
    assert drop.counts(columns=declared, pattern="*.parquet") == (1, 1, 0)
    assert drop.rows("id, cast(record as text), tags, attributes") == [
        (1, '{"n":1.5,"of":{"k":"x"}}', '["a",null]', '{"k":[1,2]}')
    ]


@pytest.mark.parametrize(
    ("encoding", "name"), [("cp1252", "Zoë €"), ("Latin1", "Zoë"), ("shift_jis", "数量")]
)
def test_files_in_other_encodings(drop: DropFolder, encoding: str, name: str) -> None:
    text = f"id,name,amount,{name}\n1,{name},1.50,x\n".encode(encoding)
    drop.write("a.csv", text + b"2,\x81\n" * (encoding == "cp1252"))
    drop.write("b.csv.gz", text.replace(b"1,", b"3,", 1))
    count_broken = int(encoding == "cp1252")  # in which no text has this byte
    options = CsvOptions(encoding=encoding)
    assert drop.counts(pattern="*.csv*", csv=options) == (2 + count_broken, 2, count_broken)
    assert drop.rows("id, name") == [(1, name), (3, name)]


def test_an_encoding_that_nobody_knows_is_told() -> None:
    with pytest.raises(ValueError, match="Unknown encoding 'klingon'"):
        CsvOptions(encoding="klingon")
