"""What can go wrong with the demo shop, told in one sentence each."""

from __future__ import annotations


class ShopError(Exception):
    """The shop cannot start, move on or be asked; the message says why and what to do."""
