"""Names of a source in the warehouse: none is lost to another, and ASCII is as dlt has it."""

from __future__ import annotations

import pytest
from dlt.common.normalizers.naming import snake_case
from hypothesis import given
from hypothesis import strategies as st

from loaders.naming import NamingConvention, distinct

NAMING = NamingConvention()


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("orderId", "order_id"),
        ("Größe", "grosse"),
        ("Libellé du Département", "libelle_du_departement"),
        ("Łódź", "lodz"),
        ("数量", "数量"),
        ("Единица измерения", "единица_измерения"),
        ("が", "が"),
        ("Prix (€)", "prixx"),
    ],
)
def test_letters_of_any_language_are_kept(name: str, written: str) -> None:
    assert NAMING.normalize_identifier(name) == written
    assert NAMING.normalize_identifier(written) == written


@given(st.text(st.characters(codec="ascii"), min_size=1).filter(str.strip))
def test_ascii_is_as_dlt_writes_it(name: str) -> None:
    assert NAMING.normalize_identifier(name) == snake_case.NamingConvention().normalize_identifier(
        name
    )


def test_no_name_is_longer_than_a_database_takes() -> None:
    postgres = NamingConvention(max_length=63)
    assert len(postgres.normalize_identifier("数量" * 30).encode()) <= 63
    assert postgres.normalize_identifier("数量" * 30) != postgres.normalize_identifier("数量" * 31)


def test_two_names_in_one_row_are_two_columns() -> None:
    found = distinct([["ID", "id", "Id"]], NAMING.normalize_identifier)
    assert found == {"id": ["id"], "id_2": ["ID"], "id_3": ["Id"]}


def test_names_that_never_meet_are_one_column() -> None:
    assert distinct([["Amount"], ["amount"]], NAMING.normalize_identifier) == {
        "amount": ["amount", "Amount"]
    }


def test_a_name_of_ours_is_not_taken() -> None:
    assert distinct([["_line", "id"]], NAMING.normalize_identifier, ["_line"]) == {
        "_line_2": ["_line"],
        "id": ["id"],
    }
