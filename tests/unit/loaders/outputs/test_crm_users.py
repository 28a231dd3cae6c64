"""A batch for the CRM is written as it wants it, and its answers are read as it means them."""

from __future__ import annotations

import json

import httpx

from loaders.outputs.crm_users import decode, encode
from loaders.senders.facts import Batch, Item, ItemAnswer

BATCH = Batch(
    number=0,
    idempotency_key="k",
    items=(
        Item(key='1"', method="upsert", data='{"email":"ä@x.example"}'),
        Item(key="2", method="delete", data="{}"),
        Item(key="3", method="upsert", data="{}"),
        Item(key="4", method="upsert", data="{}"),
    ),
)


def test_a_batch_is_one_json_object() -> None:
    request = encode("http://crm/batch", BATCH)
    assert (request.method, request.url) == ("POST", "http://crm/batch")
    assert json.loads(b"".join(request.body)) == {
        "items": [
            {"id": '1"', "method": "upsert", "data": {"email": "ä@x.example"}},
            {"id": "2", "method": "delete", "data": {}},
            {"id": "3", "method": "upsert", "data": {}},
            {"id": "4", "method": "upsert", "data": {}},
        ]
    }


def test_refused_and_unknown_items_are_told_apart() -> None:
    results = [
        {"id": '1"', "success": True, "status": 200, "error": None},
        {"id": "2", "success": False, "status": 503, "error": "busy"},
        {"id": "3", "success": False, "status": 422, "error": "blocked"},
    ]
    assert decode(BATCH, httpx.Response(200, json={"results": results})) == (
        ItemAnswer(key="2", outcome="unknown", code=503, text="busy"),
        ItemAnswer(key="3", outcome="refused", code=422, text="blocked"),
        ItemAnswer(key="4", outcome="unknown", text="The answer does not name it."),
    )
