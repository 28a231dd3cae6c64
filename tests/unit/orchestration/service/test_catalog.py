"""What a model's yml lets out: its declared columns, less its own and less what is personal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestration.errors import SettingWrong
from orchestration.service.catalog import read

if TYPE_CHECKING:
    from pathlib import Path

MODEL = """
models:
  - name: dim_people
    config:
      meta: {meta}
    columns:
      - {{name: _key, data_type: text, data_tests: [unique]}}
      - {{name: person_id, data_type: bigint{unique}}}
      - {{name: email, data_type: text, config: {{tags: [pii]}}, data_tests: [unique]}}
      - {{name: phone, data_type: text, tags: pii}}
      - {{name: undeclared}}
"""
UNIQUE = ", data_tests: [unique]"


def served(home: Path, meta: str, unique: str = UNIQUE) -> tuple[str, list[str]]:
    models = home / "models"
    models.mkdir()
    (models / "dim_people.yml").write_text(MODEL.format(meta=meta, unique=unique))
    mart = read(home)["people"]
    return mart.key, [column.name for column in mart.columns]


def test_personal_columns_stay(tmp_path: Path) -> None:
    assert served(tmp_path, "{api: people}") == ("person_id", ["person_id"])


def test_they_go_where_somebody_says_why(tmp_path: Path) -> None:
    meta = "{api: people, pii_wanted: The call centre rings them.}"
    assert served(tmp_path, meta) == ("person_id", ["person_id", "email", "phone"])


def test_rows_are_told_apart_by_what_is_shown(tmp_path: Path) -> None:
    with pytest.raises(SettingWrong, match="none of the columns it shows has the data test"):
        served(tmp_path, "{api: people}", unique="")


def test_a_name_of_the_services_own_routes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingWrong, match="/api/v1/runs is the service's own"):
        served(tmp_path, "{api: runs}")
