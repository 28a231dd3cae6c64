"""Bearer tokens: made, listed, revoked, recognised. Only a digest of each is kept."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from orchestration.errors import NameUnknown, SettingWrong
from orchestration.service.store import TOKENS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from orchestration.service.store import Store

SCOPES: Final = ("read", "write", "run")
"""What a token may do: read marts and runs; push batches; start, resume, cancel, replay."""
PREFIX: Final = "tm"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who asks."""

    id: str
    """The token's id; `loopback` where none is needed."""
    name: str
    scopes: frozenset[str]


def make(
    store: Store,
    name: str,
    scopes: Iterable[str],
    *,
    now: datetime,
    expires_at: datetime | None = None,
) -> tuple[str, str]:
    """Make a token; return its id and the token itself, which is shown this once.

    Raises:
        SettingWrong: a scope that there is not, or none at all.
    """
    wanted = sorted(set(scopes))
    if unknown := [scope for scope in wanted if scope not in SCOPES] or not wanted:
        raise SettingWrong(
            f"Cannot make a token with the scopes {unknown or 'none'}. Known scopes: "
            f"{', '.join(SCOPES)}."
        )
    token_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    values = {
        "id": token_id,
        "name": name,
        "digest": digest(secret),
        "scopes": " ".join(wanted),
        "created_at": now,
        "expires_at": expires_at,
    }
    with store.writing() as connection:
        connection.execute(TOKENS.insert().values(**values))
    return token_id, f"{PREFIX}_{token_id}_{secret}"


def listed(store: Store) -> list[dict[str, Any]]:
    """Return all tokens, newest first, without their digests."""
    columns = [column for column in TOKENS.c if column.name != "digest"]
    with store.reading() as connection:
        rows = connection.execute(sa.select(*columns).order_by(TOKENS.c.created_at.desc()))
        return [dict(row) for row in rows.mappings()]


def revoke(store: Store, token_id: str, *, now: datetime) -> None:
    """End a token; calls with it are refused from the next second on.

    Raises:
        NameUnknown: there is no such token, or it was revoked before.
    """
    with store.writing() as connection:
        ended = connection.execute(
            TOKENS.update()
            .where(TOKENS.c.id == token_id, TOKENS.c.revoked_at.is_(None))
            .values(revoked_at=now)
        )
    if ended.rowcount == 0:
        raise NameUnknown(f"No living token '{token_id}'. `tidemill token list` shows them, by id.")


def recognise(store: Store, token: str, *, now: datetime) -> Caller | None:
    """Return whose token this is; None when it is not one, or no longer."""
    prefix, _, rest = token.partition("_")
    token_id, _, secret = rest.partition("_")
    with store.reading() as connection:
        row = connection.execute(sa.select(TOKENS).where(TOKENS.c.id == token_id)).first()
    # an unknown id costs the same comparison as a known one
    is_it = hmac.compare_digest(digest(secret), row.digest if row else digest(""))
    if prefix != PREFIX or row is None or not is_it or not is_living(row, now):
        return None
    return caller_of(row)


def find(store: Store, token_id: str, *, now: datetime) -> Caller | None:
    """Return who a token stands for by its id alone, for a page session that proved it before."""
    with store.reading() as connection:
        row = connection.execute(sa.select(TOKENS).where(TOKENS.c.id == token_id)).first()
    return caller_of(row) if row is not None and is_living(row, now) else None


def caller_of(row: Any) -> Caller:
    """Return the caller that a token's row stands for."""
    return Caller(id=row.id, name=row.name, scopes=frozenset(row.scopes.split()))


def is_living(row: Any, now: datetime) -> bool:
    """Tell whether a token was neither revoked nor has expired."""
    return row.revoked_at is None and (row.expires_at is None or row.expires_at > now)


def digest(secret: str) -> str:
    """Return what is kept of a secret. It has 256 random bits, so one round of SHA-256 does."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
