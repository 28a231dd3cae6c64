"""A small shop's days as load batches, deterministic, with everything that makes history hard.

Late rows, changed rows, rows that become bad and good again, soft deletes and their reversal, items
and payments that move to another order, orders that move to another day or currency, events told
twice, files rewritten with fewer lines or none, days on which a source brings nothing.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

Row = dict[str, Any]
EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
STATUSES: Final = ("pending", "paid", "shipped", "delivered", "cancelled", "lost?")
CURRENCIES: Final = ("EUR", "EUR", "USD", "GBP", "XXX")


@dataclass(kw_only=True)
class Day:
    """What one day's loads bring."""

    tables: dict[str, list[Row]]
    files: list[str]
    """Event files that were read, also those without a row."""


@dataclass
class Shop:
    """The shop so far; `next_day` moves it on."""

    seed: int
    day: int = 0
    rows: dict[str, dict[int, Row]] = field(default_factory=dict)
    files: dict[str, list[Row]] = field(default_factory=dict)
    messages: int = 0
    events: int = 0

    def next_day(self) -> Day:
        """Move on by a day and return what is new or changed."""
        self.day += 1
        self.chance = random.Random(f"{self.seed}:{self.day}")  # noqa: S311 random by seed, no secret
        tables = {
            "raw_shop_api.users": self._some("users", 3, 2, self._user),
            "raw_shop_db.products": self._some("products", 1, 1, self._product),
            "raw_shop_db.orders": self._some("orders", 5, 4, self._order),
            "raw_shop_db.order_items": self._some("items", 8, 5, self._item),
            "raw_payment_queue.payments": self._payments(6),
        }
        names = self._event_files()
        tables["raw_event_files.events"] = [row for name in names for row in self.files[name]]
        quiet = self.chance.choice(["raw_shop_api", "raw_event_files", "raw_payment", "", "", ""])
        if self.day == 1 or not quiet:
            return Day(tables=tables, files=names)
        if quiet == "raw_event_files":
            self.late_files = names
            names = []
        kept = {name: rows for name, rows in tables.items() if not name.startswith(quiet)}
        return Day(tables=kept, files=names)

    def _some(self, kind: str, new: int, changed: int, make: Any) -> list[Row]:
        known = self.rows.setdefault(kind, {})
        old = self.chance.sample(sorted(known), min(changed, len(known)))
        fresh = range(len(known) + 1, len(known) + 1 + new * (4 if self.day == 1 else 1))
        for key in [*old, *fresh]:
            known[key] = {"id": key, **make(known.get(key, {})), "updated_at": self._at(0)}
        return [known[key] for key in [*old, *fresh]]

    def _user(self, before: Row) -> Row:
        number = self.chance.randrange(1000)
        email = self.chance.choice([f" User{number}@Shop.example", f"u{number}@shop.example", None])
        return {
            "email": email if before else f"first{number}@shop.example",
            "first_name": self.chance.choice(["Ada", "Zoë ", None]),
            "last_name": self.chance.choice(["Lovelace", "O'Brien", None]),
            "country_code": self.chance.choice(["de", "FR", None]),
            "is_marketing_opt_in": self.chance.choice([True, False, None]),
            "created_at": before.get("created_at", self._at(3)),
        }

    def _product(self, before: Row) -> Row:
        return {
            "sku": self.chance.choice(["A-1", "B-2", "C-3", None]),
            "name": f"Thing {self.chance.randrange(9)}",
            "price": f"{self.chance.randrange(9999) / 100:.2f}",
            "currency": "EUR",
            "is_active": True,
            "created_at": before.get("created_at", self._at(3)),
            "deleted_at": self.chance.choice([None, None, self._at(0)]),
        }

    def _order(self, before: Row) -> Row:
        moves = not before or self.chance.random() < 0.3
        return {
            "user_id": self._one("users") if moves else before["user_id"],
            "status": self.chance.choice(STATUSES),
            "currency": self.chance.choice(CURRENCIES) if moves else before["currency"],
            "ordered_at": self.chance.choice([self._at(1), self._at(20), None])
            if moves
            else before["ordered_at"],
            "shipped_at": self.chance.choice([None, self._at(0)]),
            "deleted_at": self.chance.choice([None, None, None, self._at(0)]),
        }

    def _item(self, before: Row) -> Row:
        moves = not before or self.chance.random() < 0.3
        return {
            "order_id": self.chance.choice([self._one("orders")] * 5 + [None])
            if moves
            else before["order_id"],
            "product_id": self._one("products"),
            "quantity": self.chance.choice([1, 2, 3, 0]),
            "unit_price": f"{self.chance.randrange(9999) / 100:.2f}",
            "deleted_at": self.chance.choice([None, None, None, self._at(0)]),
        }

    def _payments(self, count: int) -> list[Row]:
        found = []
        for _ in range(count):
            self.messages += 1
            payment_id = self.chance.choice([self.messages, max(1, self.messages - 7), None])
            found.append(
                {
                    "message_id": f"{1_767_225_600_000 + self.day}-{self.messages}",
                    "payment_id": payment_id,
                    "order_id": self._one("orders"),
                    "amount": f"{self.chance.randrange(20000) / 100:.2f}",
                    "currency": self.chance.choice(CURRENCIES),
                    "method": "card",
                    "status": self.chance.choice(["succeeded", "succeeded", "failed", "refunded"]),
                    "paid_at": self._at(0),
                }
            )
        return found

    def _event_files(self) -> list[str]:
        fresh = f"day={self.day:02}/events.csv.gz"
        self.files[fresh] = [self._event(fresh, line) for line in range(2, 14)]
        names = [fresh, *getattr(self, "late_files", [])]
        self.late_files: list[str] = []
        if self.day > 2 and self.chance.random() < 0.6:
            old = self.chance.choice(sorted(self.files.keys() - {fresh}))
            kept = [row for row in self.files[old] if self.chance.random() < 0.5]
            changed = [{**row, "page_url": f"/again/{self.day}"} for row in kept]
            self.files[old] = self.chance.choice([changed, []])
            names.append(old)
        return sorted(set(names))

    def _event(self, file: str, line: int) -> Row:
        self.events += 1
        number = self.chance.choice([self.events] * 8 + [max(1, self.events - 9), None])
        return {
            "event_id": number and f"e{number:05}",
            "user_id": self.chance.choice([self._one("users"), 1, 2, None]),
            "event_type": self.chance.choice(["page_view", "checkout", "page_view", " "]),
            "page_url": "/",
            "product_id": self._one("products"),
            "occurred_at": self._at(2),
            "_file": file,
            "_line": line,
        }

    def _one(self, kind: str) -> int:
        return self.chance.choice(sorted(self.rows[kind]))

    def _at(self, days_back: int) -> str:
        minutes = self.chance.randrange(-days_back * 1440, 1440)
        return (EPOCH + timedelta(days=self.day, minutes=minutes)).isoformat(sep=" ")


def days(count: int, seed: int) -> Sequence[Day]:
    """The first days of a shop."""
    shop = Shop(seed)
    return [shop.next_day() for _ in range(count)]
