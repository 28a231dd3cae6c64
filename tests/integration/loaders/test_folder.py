"""What is in a folder is found, wherever the folder is and whatever it is called."""

from __future__ import annotations

import os
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler
from typing import TYPE_CHECKING

import pytest
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

from loaders.errors import SettingMissing, SourceUnreachable
from loaders.load import load
from tests.integration.loaders.drop_folder import DropFolder, rows, sales_source
from tests.integration.loaders.served import Served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    from loaders.warehouse import Target


@pytest.fixture
def folder(tmp_path: Path, duckdb_target: Target) -> DropFolder:
    return DropFolder(tmp_path / "drop", duckdb_target)


@pytest.fixture
def ftp(folder: DropFolder) -> Iterator[str]:
    """The address of an FTP server of the folder."""
    known = DummyAuthorizer()
    known.add_user("ann", "secret", str(folder.path), perm="elr")
    handler = type("Handler", (FTPHandler,), {"authorizer": known})
    server = FTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"timeout": 0.05})
    thread.start()
    yield f"ftp://ann:secret@127.0.0.1:{server.address[1]}/"
    server.close_all()
    thread.join()


@pytest.mark.parametrize("name", ["in [1]", "st*r", "que?y", "a{b,c}", "50 %"])
def test_a_folder_may_have_any_name(folder: DropFolder, name: str) -> None:
    for sibling in (name, "in 1", "star"):
        (folder.path / sibling / "sub").mkdir(parents=True, exist_ok=True)
        folder.write(f"{sibling}/sub/we[ir]d *.csv", rows(1 if sibling == name else 2))
    folder.load_from(str(folder.path / name))
    assert folder.rows("id, _file") == [(1, "sub/we[ir]d *.csv")]


def test_a_file_that_is_being_written_anew_has_not_vanished(folder: DropFolder) -> None:
    file = folder.write("a.csv", rows(1))
    os.utime(file, (1_700_000_000, 1_700_000_000))
    folder.load(quiet_seconds=60)
    folder.write("a.csv", rows(1, 2))
    assert folder.load(quiet_seconds=60).notices == ()
    assert folder.counts(quiet_seconds=0) == (2, 2, 0)


def test_a_folder_on_an_ftp_server(folder: DropFolder, ftp: str) -> None:
    old, new = folder.write("a [1].csv", rows(1)), folder.write("b.csv", rows(2))
    for file in (old, new):
        os.utime(file, (1_700_000_000, 1_700_000_000))
    assert [table.loaded for table in folder.load_from(ftp).tables] == [2]
    folder.write("b.csv", rows(3))  # of the same size
    assert [table.loaded for table in folder.load_from(ftp).tables] == [1]
    assert folder.load_from(ftp).tables == ()
    assert folder.rows("id, _file") == [(1, "a [1].csv"), (3, "b.csv")]


@pytest.mark.parametrize(
    ("url", "error", "told"),
    [
        (
            "ftp://ann:wrong@{place}",
            SourceUnreachable,
            "'ftp://{place}': 530 Authentication failed",
        ),
        ("gs://bucket/in", SettingMissing, "need the package gcsfs"),
        ("nonsense://bucket", SettingMissing, "Protocol not known: nonsense"),
        (" ", SettingMissing, "is empty"),
    ],
)
def test_a_folder_that_cannot_be_read_is_told(
    folder: DropFolder, ftp: str, url: str, error: type[Exception], told: str
) -> None:
    place = ftp.rpartition("@")[2]
    with pytest.raises(error) as raised:
        folder.load_from(url.format(place=place))
    assert told.format(place=place) in str(raised.value)
    assert "wrong" not in str(raised.value)


class Shown(Served):
    """A web server whose page of a folder links to its files."""

    def __init__(self, folder: Path, *, tells_time: bool) -> None:
        self.folder = folder
        self.tells_time = tells_time

    def handler(self) -> Callable[..., BaseHTTPRequestHandler]:  # type: ignore[override]
        return partial(_Quiet, directory=str(self.folder), tells_time=self.tells_time)


class _Quiet(SimpleHTTPRequestHandler):
    def __init__(self, *given: object, tells_time: bool, directory: str) -> None:
        self.tells_time = tells_time
        super().__init__(*given, directory=directory)  # type: ignore[arg-type]

    def send_header(self, keyword: str, value: str) -> None:
        if keyword != "Last-Modified" or self.tells_time:
            super().send_header(keyword, value)

    def do_HEAD(self) -> None:
        if "503" in self.path:
            self.send_error(503)
        else:
            super().do_HEAD()

    def do_GET(self) -> None:
        if "503" in self.path:
            self.send_error(503)
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize("tells_time", [True, False])
def test_files_of_a_web_server_that_change_are_read_anew(
    folder: DropFolder, *, tells_time: bool
) -> None:
    with Shown(folder.path, tells_time=tells_time) as web:
        for changed, ids, loaded in (
            (1_700_000_000, (1,), [1]),
            (1_700_000_000, (1,), []),
            (1_700_000_001, (2,), [1] if tells_time else []),
            (1_700_000_002, (2, 3), [2]),
        ):
            os.utime(folder.write("a.csv", rows(*ids)), (changed, changed))
            assert [table.loaded for table in folder.load_from(web.url).tables] == loaded
    assert folder.rows("id, _line") == [(2, 2), (3, 3)]


def test_a_file_of_a_web_server_that_is_still_being_written_waits(folder: DropFolder) -> None:
    os.utime(folder.write("a.csv", rows(1)), (1_700_000_000, 1_700_000_000))
    folder.write("b.csv", rows(2))
    with Shown(folder.path, tells_time=True) as web:
        load(sales_source(web.url, quiet_seconds=600), target=folder.target)
    assert folder.rows("id, _file") == [(1, "a.csv")]


def test_links_to_nothing_are_no_files_and_a_server_in_trouble_is_told(folder: DropFolder) -> None:
    folder.write("a.csv", rows(1))
    (folder.path / "gone.csv").symlink_to("nowhere")  # listed, and answered with 404
    folder.write("notes.md", "of no format: not asked for")
    with Shown(folder.path, tells_time=True) as web:
        assert [table.loaded for table in folder.load_from(web.url).tables] == [1]
        (folder.path / "503.csv").touch()
        with pytest.raises(SourceUnreachable, match=r"503\.csv.*503"):
            folder.load_from(web.url)
