"""A step runs in a child of a warm process: it can be ended, and its end is told."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from loaders.warehouse import lock_path
from orchestration import process, workers
from orchestration.errors import Cancelled, StepDied, StepFailed, StepTimedOut
from orchestration.steps import Request, writing
from orchestration.workers import Kind

if TYPE_CHECKING:
    from orchestration.settings import Settings
    from orchestration.workers import Workers

RequestOf = Callable[..., Request]


def pids(note: Path) -> list[int]:
    """Wait for a hanging step to say who it and its child are."""
    deadline = time.monotonic() + 60
    while not (note.exists() and note.read_text().count(" ") == 1):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return [int(word) for word in note.read_text().split()]


def is_gone(pid: int) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not process.is_alive(process.identity(pid)) or process.identity(pid).endswith(":"):
            return True
        time.sleep(0.05)
    return False


def run(workers: Workers, request: Request, timeout: float = 120, **more: object) -> object:
    stop = more.get("stop") or threading.Event()
    return workers.execute(request, timeout=timeout, stop=stop, emit=lambda _: None)  # type: ignore[arg-type]


def test_a_step_tells_its_progress_and_hands_back_its_outcome(
    own_workers: Workers, request_of: RequestOf
) -> None:
    heard: list[dict[str, object]] = []
    outcome = own_workers.execute(
        request_of("load", "a"), timeout=120, stop=threading.Event(), emit=heard.append
    )
    assert heard == [{"table": "t", "rows": 3}]
    assert outcome.detail["argument"] == "a"
    assert outcome.detail["pid"] != os.getpid()


def test_each_step_has_a_child_of_its_own(own_workers: Workers, request_of: RequestOf) -> None:
    seen = {run(own_workers, request_of("load")).detail["pid"] for _ in range(3)}  # type: ignore[attr-defined]
    assert len(seen) == 3


def test_a_step_that_takes_too_long_is_ended_with_its_children(
    own_workers: Workers, request_of: RequestOf, tmp_path: Path
) -> None:
    note = tmp_path / "note"
    own_workers.warm({"hang"})
    with pytest.raises(StepTimedOut, match=r"was ended with its children: it took longer than 5 s"):
        run(own_workers, request_of("hang", str(note)), timeout=5)
    assert all(is_gone(pid) for pid in pids(note))


@pytest.mark.parametrize("end", ["time", "request"])
def test_a_step_that_never_stops_talking_is_ended_all_the_same(
    own_workers: Workers, request_of: RequestOf, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "GRACE", 0.3)
    own_workers.warm({"babble"})
    stop = threading.Event()
    if end == "request":
        threading.Timer(1, stop.set).start()
    begun = time.monotonic()
    with pytest.raises(Cancelled if end == "request" else StepTimedOut):
        run(own_workers, request_of("babble", "t"), timeout=1 if end == "time" else 30, stop=stop)
    assert time.monotonic() - begun < 15


def test_a_step_is_ended_on_request(
    own_workers: Workers, request_of: RequestOf, tmp_path: Path
) -> None:
    note, stop = tmp_path / "note", threading.Event()
    threading.Thread(target=lambda: (pids(note), stop.set())).start()
    with pytest.raises(Cancelled, match="was ended on request"):
        run(own_workers, request_of("hang", str(note)), stop=stop)
    assert all(is_gone(pid) for pid in pids(note))


def test_a_step_that_fails_says_why_on_a_full_disk(
    own_workers: Workers, request_of: RequestOf
) -> None:
    request = request_of("refuse")
    request.log.parent.mkdir(parents=True, exist_ok=True)
    request.log.symlink_to("/dev/full")
    with pytest.raises(StepFailed, match="ConnectionError: nobody there"):
        run(own_workers, request)


def test_a_step_that_vanishes_is_told(own_workers: Workers, request_of: RequestOf) -> None:
    with pytest.raises(StepDied, match="The process of the step 'vanish' ended without a word"):
        run(own_workers, request_of("vanish"))


def test_an_error_crosses_over_with_its_sentence(
    own_workers: Workers, request_of: RequestOf
) -> None:
    with pytest.raises(StepFailed, match="ConnectionError: nobody there") as caught:
        run(own_workers, request_of("refuse"))
    assert caught.value.can_be_retried


def test_a_warm_process_that_was_killed_is_started_again(
    own_workers: Workers, request_of: RequestOf
) -> None:
    run(own_workers, request_of("load"))
    warm = next(iter(own_workers._warm.values()))
    warm.process.kill()
    warm.process.wait()
    run(own_workers, request_of("load"))


def test_a_module_that_does_not_import_is_told(
    own_workers: Workers, request_of: RequestOf, tmp_path: Path
) -> None:
    (tmp_path / "own_steps.py").write_text("import nowhere_to_be_found")
    with pytest.raises(StepFailed, match="No module named 'nowhere_to_be_found'"):
        run(own_workers, request_of("load"))


def test_a_step_that_may_be_left_as_it_is_is_looked_at_first(
    own_workers: Workers, request_of: RequestOf
) -> None:
    load = own_workers.kinds["load"]
    look = Kind(function="own_steps:look", preload="own_steps")
    own_workers.kinds = {"load": replace(load, shortcut=look)}
    same = replace(request_of("load", "same"), only_new=True, before={"build": "r0"})
    other = replace(same, argument="other")
    always = replace(same, only_new=False)
    assert run(own_workers, same).detail == {"unchanged": True, "looked": True}  # type: ignore[attr-defined]
    assert run(own_workers, other).detail["argument"] == "other"  # type: ignore[attr-defined]
    assert run(own_workers, always).detail["argument"] == "same"  # type: ignore[attr-defined]
    quiet = replace(same, needs=({"load_ids": ["1"]},), idle=("shop 1",))
    assert run(own_workers, quiet).detail == {"unchanged": True, "looked": True}  # type: ignore[attr-defined]
    news = replace(quiet, needs=({"load_ids": ["1", "2"]},))
    assert run(own_workers, news).detail["argument"] == "same"  # type: ignore[attr-defined]


def test_kill_9_of_the_runner_ends_its_steps(home: Path, tmp_path: Path) -> None:
    note = tmp_path / "note"
    script = tmp_path / "runner.py"
    script.write_text(
        "import threading\n"
        "from pathlib import Path\n"
        "from orchestration.steps import Request\n"
        "from orchestration.workers import Kind, Workers\n"
        "kinds = {'hang': Kind(function='own_steps:hang', preload='own_steps')}\n"
        f"workers = Workers(kinds, Path({str(tmp_path / 'workers.log')!r}))\n"
        "request = Request(run_id='r', job='j', step='hang', kind='hang', target='duckdb',\n"
        f"    argument={str(note)!r}, artifacts=Path({str(tmp_path)!r}))\n"
        "workers.execute(request, timeout=60, stop=threading.Event(), emit=print)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    with subprocess.Popen([sys.executable, script], env=environment) as runner:
        step, child = pids(note)
        runner.send_signal(signal.SIGKILL)
    try:
        assert is_gone(step)
        assert is_gone(child)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


HOLD = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_step_that_stands_in_line_in_vain_tells_how_long(
    request_of: RequestOf, settings: Settings
) -> None:
    request = replace(request_of("load", "shop_api"), timeout=0.5)
    lock = lock_path(settings.target)
    lock.parent.mkdir(parents=True)
    command = [sys.executable, "-c", HOLD, str(lock)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(StepFailed, match="has been writing") as caught, writing(request, print):
            pass
        other.communicate("")
    assert 0.4 < caught.value.detail["busy"] < 60
    with writing(request, lambda _: None) as warehouse:
        assert warehouse.place == settings.target.place
