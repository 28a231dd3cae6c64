"""The output that docs/outputs.md shows works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loaders.delivery import Delivery
from loaders.delivery_record import DeliveryRecord
from tests.integration.loaders.outputs.far_side import TOKEN, FarSide

if TYPE_CHECKING:
    import pytest

    from loaders.warehouse import Target

PAGE = Path(__file__).resolve().parents[4] / "docs" / "outputs.md"


def test_an_api_with_an_address_for_each_item(
    duckdb_target: Target, far_side: FarSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTPUTS__WEB_SHOP__URL", far_side.url)
    monkeypatch.setenv("OUTPUTS__WEB_SHOP__TOKEN", TOKEN)
    block = r"^```python title=loaders/outputs/web_shop.py\n(.*?)^```$"
    (code,) = re.findall(block, PAGE.read_text(), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102  our own page
    with duckdb_target.connect() as connection:
        connection.execute("create schema outputs")
        connection.execute(
            "create table outputs.out_web_shop__products as select * from "
            "(values (1, 'tide', 1.5), (2, 'mill', 2.5)) as products(product_id, name, price)"
        )
        for state, sent in (("true", 2), ("product_id = 1", 1)):
            connection.execute(f"delete from outputs.out_web_shop__products where not ({state})")
            result = Delivery(
                name="web_shop",
                output=names["web_shop"](),
                record=DeliveryRecord(connection, "web_shop", "r1"),
                on_progress=max,
            ).run(allow_deletes=True)
            assert result.successful == sent
    assert far_side.contacts == {"1": {"name": "tide", "price": 1.5}}
