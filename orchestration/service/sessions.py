"""The page's sign-in: a signed cookie that names a token; and forms that only our pages send."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from orchestration.service.store import SECRETS

if TYPE_CHECKING:
    from datetime import datetime

    from orchestration.service.store import Store

COOKIE: Final = "tidemill_session"
LIFETIME: Final = 12 * 3600
"""Seconds that a sign-in holds."""


def secret(store: Store) -> bytes:
    """Return the secret that signs sessions and forms; it is made at the first start."""
    query = sa.select(SECRETS.c.value).where(SECRETS.c.name == "sessions")
    with store.writing() as connection:
        found = connection.execute(query).scalar()
        if found is None:
            found = secrets.token_hex(32)
            connection.execute(SECRETS.insert().values(name="sessions", value=found))
    return bytes.fromhex(found)


def sign_in(key: bytes, token_id: str, now: datetime) -> str:
    """Return the cookie of a caller who has shown a token."""
    content = f"{token_id}.{int(now.timestamp()) + LIFETIME}"
    return f"{content}.{_signature(key, 'session', content)}"


def token_of(key: bytes, cookie: str, now: datetime) -> str | None:
    """Return the id of the token that a cookie stands for; None when it is not one of ours."""
    content, _, signature = cookie.rpartition(".")
    token_id, _, ends = content.partition(".")
    if not _is_same(signature, _signature(key, "session", content)) or not ends.isdigit():
        return None
    return token_id if int(ends) > now.timestamp() else None


def form_token(key: bytes, caller: str) -> str:
    """Return what a form carries, so that no other site can send it in the caller's name."""
    return _signature(key, "form", caller)


def is_form_token(key: bytes, caller: str, given: str) -> bool:
    """Tell whether a form is one that we gave this caller."""
    return _is_same(given, form_token(key, caller))


def _signature(key: bytes, purpose: str, content: str) -> str:
    return hmac.new(key, f"{purpose}|{content}".encode(), hashlib.sha256).hexdigest()


def _is_same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())
