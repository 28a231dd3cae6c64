"""A log takes whole lines of several processes, can be put aside, and is read from a place on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration import logs
from orchestration.events import Event
from orchestration.logs import JsonLines, LogListener, lines_of

if TYPE_CHECKING:
    from pathlib import Path


def events(path: Path, run_id: str, at: int = 0) -> list[str]:
    return [str(entry["event"]) for entry in lines_of(path, run_id, at)[0]]


def test_who_writes_goes_on_in_a_new_file_when_the_log_was_put_aside(tmp_path: Path) -> None:
    path = tmp_path / logs.NAME
    log = LogListener(path)
    log(Event(name="run_started", run_id="a"))
    path.replace(path.with_name(path.name + logs.ASIDE))
    log(Event(name="run_ended", run_id="a"))
    assert path.read_text().count("\n") == 1
    assert events(path, "a") == ["run_started", "run_ended"]


def test_half_a_line_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / logs.NAME
    log = JsonLines(path)
    log.write("one", run_id="a")
    with path.open("a") as file:
        file.write('{"run_id": "a", "eve')
    log.write("lost with the half before it", run_id="a")
    log.write("two", run_id="a", note="of run b")
    with path.open("a") as file:
        file.write('{"run_id": "a", "event": "still being written"')
    assert events(path, "a") == ["one", "two"]
    assert events(path, "b") == []


def test_what_came_since_is_read_from_there_on(tmp_path: Path) -> None:
    path = tmp_path / logs.NAME
    log = JsonLines(path)
    log.write("one", run_id="a")
    _, at = lines_of(path, "a")
    assert lines_of(path, "a", at) == ([], at)
    log.write("two", run_id="a")
    assert events(path, "a", at) == ["two"]
    path.replace(path.with_name(path.name + logs.ASIDE))
    log.write("3", run_id="a")
    assert events(path, "a", at + 999) == ["3"]
