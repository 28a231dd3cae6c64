"""Sends users who opted in to the CRM, and takes those who no longer do away there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from loaders.senders.api import ApiSender
from loaders.senders.endpoint import Endpoint, Request
from loaders.senders.facts import Batch, ItemAnswer, KeyedOutput
from loaders.senders.settings import setting

if TYPE_CHECKING:
    import httpx

MODEL = "outputs.out_crm__users"
KEY = ("user_id",)
BATCH_SIZE = 100
"""The most that the CRM takes in a request."""
LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
"""What the CRM says of an item that it may take another time."""


def crm_users() -> KeyedOutput:
    """Return what is sent to the CRM, and how."""
    url = setting("crm_users", "base_url").rstrip("/") + "/crm/contacts/batch"
    endpoint = Endpoint(url=url, encode=lambda batch: encode(url, batch), decode=decode)
    token = setting("crm_users", "token", secret=True)
    sender = ApiSender(endpoint=endpoint, key=KEY, token=token, batch_size=BATCH_SIZE)
    return KeyedOutput(model=MODEL, key=KEY, sender=sender)


def encode(url: str, batch: Batch) -> Request:
    """Return the request for a batch: `{"items": [{"id", "method", "data"}]}`."""
    items = [
        f'{{"id":{json.dumps(item.key)},"method":"{item.method}","data":{item.data}}}'.encode()
        for item in batch.items
    ]
    commas = [b'{"items":[', *([b","] * (len(items) - 1))]
    pieces = [piece for pair in zip(commas, items, strict=True) for piece in pair]
    return Request(method="POST", url=url, body=(*pieces, b"]}"))


def decode(batch: Batch, response: httpx.Response) -> tuple[ItemAnswer, ...]:
    """Read `{"results": [{"id", "success", "status", "error"}]}`; a missing item is unknown."""
    results = {str(result["id"]): result for result in response.json()["results"]}
    missing = {"success": False, "status": None, "error": "The answer does not name it."}
    return tuple(
        answer
        for item in batch.items
        if (answer := _exception(item.key, results.get(item.key, missing)))
    )


def _exception(key: str, result: dict[str, object]) -> ItemAnswer | None:
    if result["success"]:
        return None
    code = result["status"]
    later = code is None or code in LATER
    return ItemAnswer(
        key=key,
        outcome="unknown" if later else "refused",
        code=code if isinstance(code, int) else None,
        text=str(result["error"]),
    )
