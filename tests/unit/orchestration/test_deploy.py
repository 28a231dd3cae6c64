"""The ready files start commands and jobs that exist, in a form their readers understand."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orchestration.jobs import JOBS

DEPLOY = Path(__file__).parents[3] / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
FIELDS = re.compile(r"^(\S+ +\S+ +\S+ +\S+ +\S+) +tidemill +(\S+/deploy/cron/run) (\w+)$")


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_can_be_read_and_starts_what_exists(unit: Path) -> None:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(unit)
    assert "Unit" in parser
    if unit.suffix == ".service":
        words = parser["Service"]["ExecStart"].split()
        assert words[0].endswith("/tidemill")
        assert words[1:] == ["schedule"] or (words[1] == "run" and words[2] in JOBS)


def test_systemd_has_nothing_to_say(tmp_path: Path) -> None:
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("systemd-analyze is not installed; the units were read as what they are")
    for unit in UNITS:
        text = unit.read_text().replace("/srv/tidemill/.venv/bin/tidemill", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    units = [str(tmp_path / unit.name) for unit in UNITS]
    done = subprocess.run([verify, "verify", *units], capture_output=True, text=True, check=False)
    told = [line for line in done.stderr.splitlines() if str(tmp_path) in line]
    assert (done.returncode, told) == (0, [])


def test_cron_starts_jobs_that_exist_at_their_times() -> None:
    lines = (DEPLOY / "cron" / "tidemill").read_text().splitlines()
    entries = [match for line in lines if (match := FIELDS.match(line))]
    days = {"0": "sun", "*": "*"}
    for match in entries:
        *times, weekday = match[1].split()
        schedule = JOBS[match[3]].schedule
        assert schedule is not None
        assert schedule.cron == " ".join([*times, days[weekday]])
    assert len(entries) == len([line for line in lines if "cron/run" in line]) == 4


def test_cron_starts_a_job_from_anywhere_with_the_settings_of_the_environment_file(
    tmp_path: Path,
) -> None:
    place = tmp_path / "srv"
    shutil.copytree(DEPLOY / "cron", place / "deploy" / "cron")
    (place / ".venv" / "bin").mkdir(parents=True)
    (place / ".venv" / "bin" / "tidemill").symlink_to(Path(sys.executable).parent / "tidemill")
    (place / ".env").write_text(f"TIDEMILL_TARGET='an oracle'\nTIDEMILL_VAR={tmp_path}/var\n")
    line = [str(place / "deploy" / "cron" / "run"), "nightly"]
    for _ in range(2):
        done = subprocess.run(["/bin/sh", "-c", " ".join(line)], env={}, cwd="/", check=False)
        assert done.returncode == 1
    told = (place / "var" / "logs" / "cron.log").read_text()
    assert told.count("Error: No target named 'an oracle'") == 2


def test_the_container_runs_the_scheduler_and_stops_it_in_good_order() -> None:
    text = (DEPLOY / "container" / "Containerfile").read_text()
    assert 'CMD ["tidemill", "schedule"]' in text
    assert "STOPSIGNAL SIGTERM" in text
    assert "--no-deps --require-hashes -r requirements.lock" in text


def test_no_secret_and_no_data_goes_into_the_image() -> None:
    kept_out = (DEPLOY.parent / ".dockerignore").read_text().split()
    assert {".env", ".dlt/secrets.toml", "var"} <= set(kept_out)
