"""What passes between a delivery and the one who sends it."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loaders.outbox import Outbox

Method = Literal["upsert", "delete"]
Outcome = Literal["delivered", "refused", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing that the far side should have, or should no longer have."""

    key: str
    """Its key, as text."""
    method: Method
    data: str
    """The columns beside the key, a JSON object; `{}` for a deletion."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Items that go out together, and whose sending again is recognised."""

    number: int
    idempotency_key: str
    """The same for the same batch of the same plan, however often it is sent."""
    items: tuple[Item, ...]

    def part(self, items: tuple[Item, ...], why: str) -> Batch:
        """Return a batch of some of these items, with a key of its own that can be made again."""
        text = "\n".join((self.idempotency_key, why, *(item.key for item in items)))
        digest = sha256(text.encode()).hexdigest()
        return Batch(number=self.number, idempotency_key=digest, items=items)


@dataclass(frozen=True, kw_only=True)
class ItemAnswer:
    """What the far side said about one item."""

    key: str
    outcome: Outcome
    code: int | None = None
    text: str | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the far side said about a batch: all delivered but the exceptions."""

    number: int
    count_items: int
    exceptions: tuple[ItemAnswer, ...] = ()

    @property
    def count_delivered(self) -> int:
        """How many items the far side took."""
        return self.count_items - len(self.exceptions)


class Sender(Protocol):
    """One who sends what an outbox holds."""

    @property
    def destination(self) -> str:
        """Where it goes, fit to be shown."""

    @property
    def batch_size(self) -> int:
        """How many items go out together."""

    @property
    def keeps_rows(self) -> bool:
        """Whether a batch has to go out again as it was, so that the plan has to hold its rows.

        A far side that is simply told a state, whatever it was told before, needs the keys alone.
        """

    def send(self, outbox: Outbox) -> Iterator[list[Answer]]:
        """Send all batches of the outbox and give the answers as they come.

        Raises:
            DeliveryFailed: some batches have no answer; what was answered has been given before.
        """


@dataclass(frozen=True, kw_only=True)
class KeyedOutput:
    """An output that is told of each item that came, changed or went."""

    model: str
    """The dbt model that says what should be there, as `schema.table`."""
    key: tuple[str, ...]
    """The model's key columns."""
    sender: Sender
    max_delete_share: float = 0.2
    """The share of the delivered items that one delivery may delete without being told to."""
