"""A file goes in, SQL runs over it, and a whole file comes out, or none."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import duckdb
import fsspec
import pytest

from loaders.convert import convert
from loaders.errors import LoaderError

if TYPE_CHECKING:
    from pathlib import Path

ROWS = "number,name\n1,one\n2,two\n3,\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv.gz"
    path.write_bytes(gzip.compress(ROWS.encode()))
    return path


@pytest.mark.parametrize(
    "ending", ["csv", "csv.gz", "csv.zst", "jsonl", "jsonl.gz", "jsonl.zst", "parquet"]
)
def test_there_and_back(source: Path, tmp_path: Path, ending: str) -> None:
    there = tmp_path / f"there.{ending}"
    back = tmp_path / "back.csv"
    assert convert(str(source), str(there)).rows == 3
    done = convert(str(there), str(back), sql="select number, name from input order by number")
    assert (done.rows, done.rejected, done.bytes) == (3, 0, back.stat().st_size)
    assert back.read_text() == ROWS
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(
        {"in.csv.gz", "back.csv", f"there.{ending}"}
    )


def test_a_gzip_that_is_cut_off_is_refused(source: Path, tmp_path: Path) -> None:
    source.write_bytes(source.read_bytes()[:-9])
    with pytest.raises(LoaderError, match="it is cut off"):
        convert(str(source), str(tmp_path / "out.parquet"))
    assert [file.name for file in tmp_path.iterdir()] == ["in.csv.gz"]


@pytest.mark.parametrize("name", ["nope.csv", "no*.jsonl.gz", "nowhere/in.parquet"])
def test_a_file_that_is_not_there_is_told(tmp_path: Path, name: str) -> None:
    told = "there is no such file. Check its path"
    with pytest.raises(LoaderError, match=told):
        convert(str(tmp_path / name), str(tmp_path / "out.parquet"))
    assert list(tmp_path.iterdir()) == []


def test_a_file_may_have_any_name(tmp_path: Path) -> None:
    for name, rows in (("we[ir]d *.csv", "n\n1\n"), ("wei x.csv", "n\n2\n")):
        (tmp_path / name).write_text(rows)
    out = tmp_path / "out.jsonl"
    convert(str(tmp_path / "we[ir]d *.csv"), str(out))
    assert out.read_text() == '{"n":1}\n'


def test_an_empty_text_is_no_null(tmp_path: Path) -> None:
    source, back = tmp_path / "in.csv", tmp_path / "back.csv"
    source.write_text('number,name\n1,""\n2,\n')
    convert(str(source), str(tmp_path / "there.parquet"))
    convert(str(tmp_path / "there.parquet"), str(back))
    assert back.read_text() == source.read_text()


def test_sql_runs_over_the_input(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    convert(str(source), str(out), sql="select sum(number) as total from input;")
    assert duckdb.sql(f"select total from '{out}'").fetchall() == [(6,)]


def test_several_files_go_in(source: Path, tmp_path: Path) -> None:
    (tmp_path / "in2.csv.gz").write_bytes(source.read_bytes())
    assert convert(str(tmp_path / "in*.csv.gz"), str(tmp_path / "out.csv")).rows == 6


def test_urls_are_read_and_written(source: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/in.csv.gz", source.read_bytes())
    assert convert("memory://in.csv.gz", "memory://folder/out.csv").rows == 3
    assert memory.cat_file("/folder/out.csv").decode() == ROWS


def test_a_bad_line_fails_and_leaves_nothing(tmp_path: Path) -> None:
    bad(tmp_path)
    with pytest.raises(LoaderError, match=r"Cannot convert .*--rejects"):
        convert(str(tmp_path / "bad.csv"), str(tmp_path / "out.csv"))
    assert [file.name for file in tmp_path.iterdir()] == ["bad.csv"]


def test_a_bad_line_is_kept_aside_when_told_to(tmp_path: Path) -> None:
    bad(tmp_path)
    rejects = tmp_path / "rejects.csv"
    done = convert(str(tmp_path / "bad.csv"), str(tmp_path / "out.csv"), rejects=str(rejects))
    assert (done.rows, done.rejected) == (199_999, 1)
    assert "what,is,this" in rejects.read_text()


def bad(folder: Path) -> None:
    lines = [f"{number},name {number}" for number in range(200_000)]
    lines[150_000] = "what,is,this"
    (folder / "bad.csv").write_text("\n".join(["number,name", *lines]) + "\n")


@pytest.mark.parametrize(
    ("source_name", "to", "sql", "message"),
    [
        ("in.csv.gz", "out.xls", "select 1", "Cannot write .*out.xls.*Known endings: .csv"),
        ("in.doc", "out.csv", "select 1", "Cannot read .*in.doc.*Known endings: .csv"),
        ("no.csv", "out.csv", "select 1", "Cannot convert .*no.csv.: there is no such file"),
        ("in.csv.gz", "out.csv", "select nothing from input", 'Cannot convert .*"nothing"'),
    ],
)
def test_what_is_wrong_is_named(
    source: Path, tmp_path: Path, source_name: str, to: str, sql: str, message: str
) -> None:
    with pytest.raises(LoaderError, match=message):
        convert(str(tmp_path / source_name), str(tmp_path / to), sql=sql)
