"""Load files and a table in a process that kills itself at a given point.

python load_child.py FOLDER DATABASE TARGET_JSON POINT COUNT
"""

from __future__ import annotations

import json
import os
import signal
import sys
from functools import wraps
from pathlib import Path
from typing import Any

import dlt

from loaders.columns import columns
from loaders.cursor import cursor
from loaders.load import load
from loaders.readers.database import table
from loaders.readers.files import files
from loaders.warehouse import Target

SALES = columns(id="bigint", name="text", amount="decimal(18, 2)")
ORDERS = columns(id="bigint", status="text", updated_at="timestamp")


def source(folder: str, database: str) -> Any:
    """Return one source with a file table and an incremental database table."""

    @dlt.source(name="victim")
    def victim() -> Any:
        return (
            files("sales", folder, columns=SALES, batch_size=3),
            table(
                "orders",
                f"sqlite:///{database}",
                key="id",
                columns=ORDERS,
                cursor=cursor("updated_at"),
                batch_size=2,
            ),
        )

    return victim()


def kill_at(point: str, count: int) -> None:
    """Have this process killed at the `count`th time that it comes to a point."""
    import dlt.common.storages.load_package as packages
    from dlt.common.storages.load_storage import LoadStorage
    from dlt.pipeline.pipeline import Pipeline

    import loaders.accounting
    import loaders.load as loading

    places: dict[str, tuple[Any, str]] = {
        "extract": (loaders.accounting.Tally, "add"),
        "normalize": (Pipeline, "normalize"),
        "normalized, not deleted": (packages.PackageStorage, "delete_package"),
        "normalized, half deleted": (packages.PackageStorage, "delete_package"),
        "empty, half deleted": (packages.PackageStorage, "delete_package"),
        "load": (Pipeline, "load"),
        "job begins": (packages.PackageStorage, "start_job"),
        "job done, not marked": (packages.PackageStorage, "save_pending_transition"),
        "job marked, not moved": (packages.PackageStorage, "complete_job"),
        "committed, not marked": (LoadStorage, "complete_load_package"),
        "marked, not moved": (packages.PackageStorage, "complete_loading_package"),
        "committed, not counted": (loading, "brought"),
    }
    owner, name = places[point]
    original = getattr(owner, name)
    left = [count]

    @wraps(original)
    def killing(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            if point == "marked, not moved":
                original(*args, **kwargs)
            if point == "normalized, half deleted":
                storage, load_id = args
                Path(storage.storage.storage_path, load_id, "schema.json").unlink()
            if point == "empty, half deleted":
                storage, load_id = args
                Path(storage.storage.storage_path, load_id, "new_jobs").rmdir()
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)

    setattr(owner, name, killing)


def main() -> None:
    """Load, and write the result as JSON."""
    folder, database, target, point, count = sys.argv[1:]
    if point != "nowhere":
        kill_at(point, int(count))
    facts = json.loads(target)
    where = Path(facts["path"]) if facts["path"] else None
    warehouse = Target(name=facts["name"], kind=facts["kind"], path=where, dsn=facts["dsn"])
    recorded = Path(folder).parent / "recorded.json"
    known = json.loads(recorded.read_text()) if recorded.exists() else {}
    result = load(source(folder, database), target=warehouse, is_recorded=known.__contains__)
    assert not any("is older than" in notice for notice in result.notices), result.notices
    for count_ in (one for one in result.tables if one.load_id):
        known.setdefault(result.load_ids[-1], []).append(
            [count_.table, count_.read, count_.loaded, count_.collapsed, count_.rejected]
        )
    for load_id in result.load_ids:
        known.setdefault(load_id, [])
    recorded.write_text(json.dumps(known))


if __name__ == "__main__":
    main()
