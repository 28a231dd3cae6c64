"""What a careful reader finds in a shop, kept as plain rows: no loader, no truth, no dbt."""

from __future__ import annotations

import asyncio
import gzip
import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import duckdb
import httpx
import redis

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi import FastAPI

    from demo.shop import Shop


class Client:
    """Asks an API without a server in between."""

    def __init__(self, app: FastAPI, token: str) -> None:
        self._app = app
        self._headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str, **options: Any) -> httpx.Response:
        """The answer to a GET."""
        return asyncio.run(self._ask("GET", path, options))

    def post(self, path: str, **options: Any) -> httpx.Response:
        """The answer to a POST."""
        return asyncio.run(self._ask("POST", path, options))

    async def _ask(self, method: str, path: str, options: dict[str, Any]) -> httpx.Response:
        headers = self._headers | options.pop("headers", {})
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            return await client.request(method, path, headers=headers, **options)


def database_rows(directory: Path) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of each table of the shop's SQLite."""
    with closing(sqlite3.connect(directory / "shop.sqlite")) as store:
        return {
            table: store.execute(f"select * from {table} order by 1, 2, 3, 4").fetchall()
            for table in ("products", "orders", "order_items")
        }


def listing(directory: Path) -> list[dict[str, Any]]:
    """The users as the API would list them."""
    with closing(sqlite3.connect(directory / "api.sqlite")) as store:
        rows = store.execute("select body from listing order by updated_us, place").fetchall()
    return [json.loads(body) for (body,) in rows]


def file_rows(directory: Path) -> dict[str, list[Any]]:
    """The lines of each event file, a Parquet file's rows as tuples."""
    files = sorted(path for path in (directory / "files").rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): _lines(path) for path in files}


def messages(shop: Shop) -> list[tuple[str, dict[str, str]]]:
    """The messages of an open shop's payments stream."""
    with redis.Redis.from_url(shop.redis_url, decode_responses=True) as queue:
        return queue.xrange("payments")


def everything(shop: Shop) -> dict[str, Any]:
    """All that can be seen of an open shop."""
    return {
        "database": database_rows(shop.directory),
        "users": listing(shop.directory),
        "files": file_rows(shop.directory),
        "messages": messages(shop),
    }


def _lines(path: Path) -> list[Any]:
    if path.suffix == ".parquet":
        with duckdb.connect() as connection:
            return connection.execute(
                "select * from read_parquet(?, hive_partitioning = false)", [str(path)]
            ).fetchall()
    return gzip.decompress(path.read_bytes()).split(b"\n")[:-1]
