"""Files hold the model in every form, partition by partition, and only what changed is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import fsspec
import pytest

from loaders.delivery import Delivery, DeliveryResult, model_of
from loaders.delivery_record import DeliveryRecord
from loaders.senders.changes import ChangesSender
from loaders.senders.copying import Layout
from loaders.senders.facts import KeyedOutput
from loaders.senders.files import Export, FileOutput, FilesWritten

if TYPE_CHECKING:
    from loaders.warehouse import Target

MODEL = "outputs.out_files__sales"
ROWS = [
    (1, "2026-01-01", "EUR", "1.50", True, "a,b"),
    (2, "2026-01-01", "USD", "2.25", False, '"'),
    (3, "2026-01-02", "EUR", None, None, None),
    (4, "2026-01-02", "EUR", "4.00", True, "\\N"),
    (5, None, "a/b c", "5.00", True, ""),
]


@pytest.fixture
def sales(warehouse: Target) -> Target:
    desire(warehouse, ROWS)
    return warehouse


def desire(target: Target, rows: list[tuple[Any, ...]]) -> None:
    with target.connect() as connection:
        connection.execute(f"drop table if exists {MODEL}")
        connection.execute(
            f"create table {MODEL} (sale_id bigint, sold_on date, currency text, "
            "amount numeric(18,2), is_paid boolean, note text)"
        )
        for row in rows:
            connection.execute(f"insert into {MODEL} values (?, ?, ?, ?, ?, ?)", row)


def write(target: Target, url: str, layout: Layout, run_id: str = "r1") -> FilesWritten:
    output = FileOutput(model=MODEL, url=url, name="sales", layout=layout)
    with target.connect() as connection:
        model = model_of(connection, "sales", MODEL, layout.columns)
        export = Export(output=output, model=model, connection=connection, on_progress=max)
        return export.run(run_id)


def read(pattern: str, columns: str = "*") -> list[tuple[Any, ...]]:
    reader = {"csv": "read_csv", "jso": "read_json", "par": "read_parquet"}[
        pattern.partition(".")[2][:3]
    ]
    options = ", nullstr = '', allow_quoted_nulls = false" if reader == "read_csv" else ""
    query = f"select {columns} from {reader}('{pattern}'{options}) order by sale_id"
    return duckdb.sql(query).fetchall()


SHOWN = (
    "sale_id, cast(sold_on as text), currency, cast(cast(amount as numeric(18,2)) as text), "
    "is_paid, note"
)


@pytest.mark.parametrize(
    ("format_", "compression", "ending"),
    [
        ("csv", "none", "csv"),
        ("csv", "gzip", "csv.gz"),
        ("csv", "zstd", "csv.zst"),
        ("jsonl", "none", "jsonl"),
        ("jsonl", "gzip", "jsonl.gz"),
        ("jsonl", "zstd", "jsonl.zst"),
        ("parquet", "none", "parquet"),
        ("parquet", "gzip", "parquet"),
        ("parquet", "zstd", "parquet"),
    ],
)
def test_every_form_holds_the_rows(
    sales: Target, tmp_path: Path, format_: Any, compression: Any, ending: str
) -> None:
    layout = Layout(format=format_, compression=compression, order_by=("sale_id",))
    done = write(sales, str(tmp_path / "out"), layout)
    assert [(file.path, file.rows) for file in done.written] == [(f"sales.{ending}", 5)]
    rows = read(str(tmp_path / "out" / f"sales.{ending}"), SHOWN)
    expected = [row if format_ != "csv" or row[5] else (*row[:5], None) for row in ROWS]
    assert [row if format_ != "csv" or row[5] else (*row[:5], None) for row in rows] == expected


def test_partitions_change_by_themselves(sales: Target, tmp_path: Path) -> None:
    layout = Layout(format="parquet", partition_by=("sold_on", "currency"), order_by=("sale_id",))
    url = str(tmp_path / "out")
    assert sorted(file.path for file in write(sales, url, layout).written) == [
        "sales/sold_on=2026-01-01/currency=EUR/sales.parquet",
        "sales/sold_on=2026-01-01/currency=USD/sales.parquet",
        "sales/sold_on=2026-01-02/currency=EUR/sales.parquet",
        "sales/sold_on=__HIVE_DEFAULT_PARTITION__/currency=a%2Fb c/sales.parquet",
    ]
    rows = read(f"{url}/sales/**/*.parquet", "sale_id, cast(sold_on as text), currency")
    assert rows == [row[:3] for row in ROWS]
    desire(sales, [*ROWS[:1], *ROWS[2:4], (6, "2026-01-03", "EUR", "1.00", True, "new"), ROWS[4]])
    done = write(sales, url, layout, "r2")
    assert [file.path for file in done.written] == [
        "sales/sold_on=2026-01-03/currency=EUR/sales.parquet"
    ]
    assert done.removed == ("sales/sold_on=2026-01-01/currency=USD/sales.parquet",)
    assert [row[0] for row in read(f"{url}/sales/**/*.parquet")] == [1, 3, 4, 5, 6]
    manifest = json.loads((tmp_path / "out" / "sales.manifest.json").read_text())
    assert (manifest["rows"], len(manifest["files"]), manifest["run_id"]) == (5, 4, "r2")


def test_any_fsspec_url_will_do(sales: Target) -> None:
    memory = fsspec.filesystem("memory")
    layout = Layout(format="csv", compression="none", order_by=("sale_id",))
    write(sales, "memory://bucket/exports", layout)
    text = memory.cat_file("/bucket/exports/sales.csv").decode()
    assert text.splitlines()[:2] == [
        "sale_id,sold_on,currency,amount,is_paid,note",
        '1,2026-01-01,EUR,1.50,true,"a,b"',
    ]
    assert not write(sales, "memory://bucket/exports", layout).written
    assert sorted(memory.ls("/bucket/exports", detail=False)) == [
        "/bucket/exports/sales.csv",
        "/bucket/exports/sales.manifest.json",
    ]


def send_changes(target: Target, url: str, batch_size: int = 1_000_000) -> DeliveryResult:
    layout = Layout(format="jsonl", compression="none")
    sender = ChangesSender(
        url=url, name="sales", key=("sale_id",), layout=layout, batch_size=batch_size
    )
    with target.connect() as connection:
        return Delivery(
            name="sales",
            output=KeyedOutput(model=MODEL, key=("sale_id",), sender=sender),
            record=DeliveryRecord(connection, "sales", "r1"),
            on_progress=max,
        ).run(allow_deletes=True)


def test_changes_alone_are_written(sales: Target, tmp_path: Path) -> None:
    assert send_changes(sales, str(tmp_path)).successful == 5
    desire(sales, [*ROWS[:3], (4, "2026-01-02", "EUR", None, True, "\\N")])
    result = send_changes(sales, str(tmp_path), batch_size=1)
    assert (result.successful, result.deletes, result.skipped) == (2, 1, 3)
    assert send_changes(sales, str(tmp_path)).successful == 0
    first, *later = sorted((tmp_path / "sales").iterdir())
    assert len(first.read_text().splitlines()) == 5
    changes = [json.loads(file.read_text()) for file in later]
    assert sorted(changes, key=lambda one: str(one["_change"])) == [
        change("delete", (5, None, None, None, None, None)),
        change("upsert", (4, "2026-01-02", "EUR", None, True, "\\N")),
    ]
    manifest = json.loads((tmp_path / "sales.manifest.json").read_text())
    assert [Path(file["path"]).name for file in manifest["files"]] == [
        file.name for file in (first, *later)
    ]


def change(kind: str, row: tuple[Any, ...]) -> dict[str, Any]:
    names = ("sale_id", "sold_on", "currency", "amount", "is_paid", "note")
    return {"_change": kind, **dict(zip(names, row, strict=True))}
