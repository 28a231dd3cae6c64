"""Files arrive once, whole, with every bad row set aside, whatever is in them."""

from __future__ import annotations

import gzip
from decimal import Decimal
from typing import TYPE_CHECKING

import duckdb
import pytest

from loaders.columns import columns
from loaders.errors import LoaderError, SourceUnreachable
from loaders.load import load
from loaders.readers.formats import CsvOptions
from tests.integration.loaders.drop_folder import HEADER, SALES, sales_source

if TYPE_CHECKING:
    from tests.integration.loaders.drop_folder import DropFolder

ROW = "{},Ann,1.50,2026-01-31T23:59:59Z\n"


def rows(*ids: int) -> str:
    return HEADER + "".join(ROW.format(number) for number in ids)


def test_new_files_are_loaded_once(drop: DropFolder) -> None:
    drop.write("a.csv", rows(1, 2))
    drop.write("b.csv.gz", rows(3))
    assert drop.counts() == (3, 3, 0)
    assert drop.counts() == (0, 0, 0)
    drop.write("c.jsonl", '{"id": 4, "name": "Bo", "amount": "2", "sold_at": null}\n')
    assert drop.counts() == (1, 1, 0)
    assert drop.rows() == [
        (1, "Ann", Decimal("1.50")),
        (2, "Ann", Decimal("1.50")),
        (3, "Ann", Decimal("1.50")),
        (4, "Bo", Decimal("2.00")),
    ]


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


def test_files_without_an_ending_are_read_as_they_are_said_to_be(drop: DropFolder) -> None:
    drop.write("part-0", rows(1))
    drop.write("part-1.gz", rows(2))
    drop.write("_SUCCESS", "")
    notices = drop.load(pattern="*").notices
    assert "drop.sales: 2 files have no ending that tells a format, such as 'part-0'" in str(
        notices
    )
    assert drop.load().notices == ()  # of a whole folder, what is no data is no news
    assert drop.counts(pattern="part-*", format="csv") == (2, 2, 0)


def test_a_rewritten_file_replaces_its_own_rows_and_rejects(drop: DropFolder) -> None:
    drop.write("a.csv", rows(1, 2) + "x,Ann,1,\n")
    drop.write("b.csv", rows(5))
    assert drop.counts() == (4, 3, 1)
    drop.write("a.csv", rows(2, 3, 4))
    assert drop.counts() == (3, 3, 0)
    assert [row[0] for row in drop.rows()] == [2, 3, 4, 5]
    assert drop.rejects() == []


def test_a_file_rewritten_to_nothing_leaves_nothing(drop: DropFolder) -> None:
    drop.write("a.csv", rows(1, 2))
    drop.write("b.csv", rows(3))
    drop.counts()
    drop.write("a.csv", HEADER)
    assert drop.counts() == (0, 0, 0)
    assert [row[0] for row in drop.rows()] == [3]


def test_a_vanished_file_leaves_its_rows_and_is_reported(drop: DropFolder) -> None:
    drop.write("a.csv", rows(1))
    drop.counts()
    (drop.path / "a.csv").unlink()
    drop.write("b.csv", rows(2))
    result = drop.load()
    assert [row[0] for row in drop.rows()] == [1, 2]
    assert (
        "drop.sales: 1 file is no longer there, such as 'a.csv'; its rows stay." in result.notices
    )


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


def test_two_hundred_columns(drop: DropFolder) -> None:
    names = [f"c{number}" for number in range(200)]
    declared = columns(**dict.fromkeys(names, "bigint"))
    drop.write("a.csv", f"{','.join(names)}\n{','.join('7' * 200)}\n")
    assert drop.counts(columns=declared) == (1, 1, 0)
    assert drop.rows("c0, c199") == [(7, 7)]


def test_a_file_still_being_written_is_left_for_later(drop: DropFolder) -> None:
    drop.write("a.csv", rows(1))
    assert drop.counts(quiet_seconds=3600) == (0, 0, 0)
    assert drop.counts(quiet_seconds=0) == (1, 1, 0)


@pytest.mark.parametrize("batch_size", [1, 7, 100_000])
def test_the_batch_size_never_changes_the_result(drop: DropFolder, batch_size: int) -> None:
    for number in range(5):
        drop.write(f"{number}.csv", rows(number * 2, number * 2 + 1) + "x,,,\n")
    assert drop.counts(batch_size=batch_size) == (15, 10, 5)
    assert [row[0] for row in drop.rows()] == list(range(10))


def test_files_of_any_file_system(drop: DropFolder) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe("/bucket/in/a.csv", rows(1, 2).encode())
    memory.pipe("/bucket/in/b.jsonl.gz", gzip.compress(b'{"id": 3}\n'))
    result = drop.load_from("memory://bucket/in")
    assert [(table.read, table.loaded) for table in result.tables] == [(3, 3)]
    assert drop.rows("_file, id") == [("a.csv", 1), ("a.csv", 2), ("b.jsonl.gz", 3)]


def test_a_folder_that_is_not_there_is_told(drop: DropFolder) -> None:
    with pytest.raises(SourceUnreachable, match=r"nowhere': it does not exist.*SOURCES__DROP__URL"):
        drop.load_from(str(drop.path / "nowhere"))


def test_declared_tables_are_there_before_the_first_row(drop: DropFolder) -> None:
    assert drop.counts() == (0, 0, 0)
    assert drop.rows(", ".join(SALES)) == []
    assert drop.rejects() == []


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


def test_names_of_files_may_hold_any_sign(drop: DropFolder) -> None:
    for number, name in enumerate(("a[1].csv", "b*?.jsonl", "c 'd'.csv.gz", "ä;b.csv")):
        text = f'{{"id": {number}}}\n' if name.endswith("jsonl") else rows(number)
        drop.write(name, text)
    assert drop.counts() == (4, 4, 0)
    assert len(drop.rows("id, _file")) == 4


def test_what_a_failed_load_left_is_gone_with_the_next(drop: DropFolder) -> None:
    drop.write("a.csv", rows(1, 2))
    source = sales_source(str(drop.path))
    source.sales.add_map(fail)
    with pytest.raises(LoaderError, match="halfway"):
        load(source, target=drop.target)
    assert drop.rows() == []
    (drop.path / "a.csv").unlink()
    drop.write("b.csv", rows(3))
    assert drop.counts() == (1, 1, 0)
    with drop.target.connect() as connection:
        assert connection.scalar("select count(*) from raw_drop.sales") == 1


def fail(row: object) -> object:
    raise RuntimeError("halfway")


def test_the_old_rows_stay_until_the_new_ones_are_committed(drop: DropFolder) -> None:
    drop.write("a.csv", rows(1, 2) + "x,Ann,1,\n")
    drop.counts()
    drop.write("a.csv", rows(3) + "4,Bo\nx,Ann,1,\n")
    source = sales_source(str(drop.path))
    source.sales.add_map(fail)
    with pytest.raises(LoaderError, match="halfway"):
        load(source, target=drop.target)
    assert [row[0] for row in drop.rows()] == [1, 2]
    assert [reject[1] for reject in drop.rejects()] == ["4"]
    assert drop.counts() == (3, 1, 2)
    assert [row[0] for row in drop.rows()] == [3]
    assert [reject[1] for reject in drop.rejects()] == ["3", "4"]
    with drop.target.connect() as connection:
        assert connection.scalar("select count(*) from raw_drop.sales") == 1


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
    drop.load()
    found = drop.rows("id, (sold_at at time zone 'UTC')::varchar")
    assert [str(text)[11:16] for _, text in found] == list(times.values())
