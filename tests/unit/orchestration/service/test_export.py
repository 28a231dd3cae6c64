"""Exports give every row in each format, and never a part for the whole."""

from __future__ import annotations

import csv
import fcntl
import gzip
import io
import json
import shutil
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pyarrow as pa
import pyarrow.parquet
import pytest

from orchestration.service.export import Export, ExportFailed
from orchestration.service.query import Statement

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestration.service.service import Service

PLACE = "/api/v1/users/export"


def arrow_ids(body: bytes) -> list[int]:
    return list(pa.ipc.open_stream(io.BytesIO(body)).read_all()["user_id"].to_pylist())


def parquet_ids(body: bytes) -> list[int]:
    return list(pa.parquet.read_table(io.BytesIO(body))["user_id"].to_pylist())


READERS: dict[str, Callable[[bytes], list[int]]] = {
    "csv": lambda body: [int(row["user_id"]) for row in csv.DictReader(io.StringIO(body.decode()))],
    "ndjson": lambda body: [json.loads(line)["user_id"] for line in body.splitlines()],
    "parquet": parquet_ids,
    "arrow": arrow_ids,
}


@pytest.mark.parametrize("users", [0, 25, 5000])
def test_every_row_is_there_once(
    client: httpx.Client, home: Path, publisher: Callable[..., Path], users: int
) -> None:
    publisher(home, users=users)
    for form, read in READERS.items():
        answer = client.get(PLACE, params={"format": form})
        assert answer.status_code == 200
        assert answer.headers["content-disposition"] == f'attachment; filename="users.{form}"'
        assert read(answer.content) == list(range(1, users + 1)), form


def test_values_are_told_as_in_pages(client: httpx.Client) -> None:
    lines = client.get(PLACE, params={"format": "csv"}).text.splitlines()
    assert lines[:2] == [
        "user_id,email,country_code,is_marketing_opt_in,spent,created_at",
        "1,user1@example.com,FR,false,1.25,2026-01-01T01:00:00.000000Z",
    ]
    first = json.loads(client.get(PLACE, params={"format": "ndjson"}).text.splitlines()[0])
    assert (first["spent"], first["created_at"]) == (1.25, "2026-01-01T01:00:00.000000Z")


def test_filters_and_sort(client: httpx.Client) -> None:
    parameters = {"format": "csv", "country_code": "DE", "sort": "-user_id"}
    assert READERS["csv"](client.get(PLACE, params=parameters).content) == [21, 18, 15, 9, 6, 3]


def test_gzip_when_asked_for(client: httpx.Client) -> None:
    with client.stream("GET", PLACE, headers={"Accept-Encoding": "gzip"}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert len(READERS["csv"](gzip.decompress(raw))) == 25
    with client.stream("GET", PLACE, headers={"Accept-Encoding": "identity"}) as answer:
        assert "content-encoding" not in answer.headers
        answer.read()


def test_what_an_export_has_not_is_refused(client: httpx.Client) -> None:
    for name in ("page", "page_size", "cursor", "nothing"):
        assert client.get(PLACE, params={name: "1"}).status_code == 422


def test_an_export_that_breaks_half_way_is_cut(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Export.read
    pieces: list[Any] = []

    def breaks(self: Export) -> bytes | None:
        if pieces:
            raise ExportFailed("broken")
        pieces.append(whole(self))
        return b"user_id\n1\n"

    monkeypatch.setattr(Export, "read", breaks)
    with pytest.raises(httpx.RemoteProtocolError, match="peer closed connection"):
        client.get(PLACE, headers={"Accept-Encoding": "identity"})


def test_an_export_that_cannot_begin_says_so(service: Service) -> None:
    export = Export(
        service.published.cursor(),
        Statement(sql="select * from marts.none"),
        "csv",
        service.published.folder,
        gzip=False,
    )
    with pytest.raises(ExportFailed, match="none"):
        export.read()
    export.close()


def test_an_export_that_nobody_reads_ends(
    service: Service, home: Path, publisher: Callable[..., Path]
) -> None:
    publisher(home, users=200_000)
    cursor = service.published.cursor()
    export = Export(
        cursor,
        Statement(sql="select * from marts.dim_users"),
        "csv",
        service.published.folder,
        gzip=False,
    )
    assert export.read()
    export.close()
    assert not export._thread.is_alive()
    assert list(service.published.folder.glob("*.pipe")) == []


def test_only_so_many_at_once(opened: Callable[..., Service], client_of: Any) -> None:
    service = opened(exports_at_once=1)
    client = client_of(service)
    export = service.exports.start(
        lambda: Export(
            service.published.cursor(),
            Statement(sql="select 1"),
            "csv",
            service.published.folder,
            gzip=False,
        )
    )
    assert client.get(PLACE).status_code == 503
    service.exports.finish(export)
    assert client.get(PLACE).status_code == 200


def test_an_export_where_pipes_cannot_be_made_longer(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(fcntl, "F_SETPIPE_SZ")  # as on macOS
    assert len(client.get(PLACE).text.splitlines()) == 26


def test_an_export_after_somebody_tidied_the_folder_of_the_pipes(
    client: httpx.Client, service: Service
) -> None:
    shutil.rmtree(service.published.folder)
    assert len(client.get(PLACE).text.splitlines()) == 26


def test_an_export_is_not_closed_under_whoever_reads(service: Service) -> None:
    sql = Statement(sql="select range from range(10_000_000)")
    export = Export(service.published.cursor(), sql, "csv", service.published.folder, gzip=False)
    export._reading.acquire()
    closing = threading.Thread(target=export.close)
    closing.start()
    closing.join(0.5)
    assert closing.is_alive()
    export._reading.release()
    closing.join(10)
    assert (closing.is_alive(), export._piece()) == (False, None)
