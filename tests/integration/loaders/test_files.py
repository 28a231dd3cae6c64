"""Files arrive once and whole, new ones, rewritten ones and those that vanish."""

from __future__ import annotations

import gzip
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from loaders.errors import LoaderError, SourceUnreachable
from loaders.load import load
from tests.integration.loaders.drop_folder import HEADER, SALES, rows, sales_source

if TYPE_CHECKING:
    from tests.integration.loaders.drop_folder import DropFolder


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


def test_names_of_files_may_hold_any_sign(drop: DropFolder) -> None:
    for number, name in enumerate(("a[1].csv", "b*?.jsonl", "c 'd'.csv.gz", "ä;b.csv")):
        text = f'{{"id": {number}}}\n' if name.endswith("jsonl") else rows(number)
        drop.write(name, text)
    assert drop.counts() == (4, 4, 0)
    assert len(drop.rows("id, _file")) == 4


def fail(row: object) -> object:
    raise RuntimeError("halfway")


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
