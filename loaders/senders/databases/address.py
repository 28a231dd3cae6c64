"""A database's address, as SQLAlchemy writes it; read here because importing that takes long."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from loaders.errors import LoaderError


@dataclass(frozen=True, kw_only=True)
class Address:
    """`kind+driver://user:password@host:port/database?option=value`, in its parts."""

    kind: str
    """`postgresql`, `mysql`, `mariadb`, `sqlite`; the driver is left out."""
    user: str | None
    password: str | None = field(repr=False)
    host: str | None
    port: int | None
    database: str
    """A name; for SQLite a path."""
    options: dict[str, str] = field(repr=False)

    @property
    def shown(self) -> str:
        """The address without password and options, fit for a message."""
        who = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        return f"{self.kind}://{who}{self.host or ''}{port}/{self.database}"

    @property
    def whole(self) -> str:
        """The address with its password, for a driver that reads URLs."""
        who = quote(self.user, safe="") if self.user else ""
        who += f":{quote(self.password, safe='')}" if self.password else ""
        host = f"[{self.host}]" if self.host and ":" in self.host else self.host or ""
        port = f":{self.port}" if self.port else ""
        options = f"?{urlencode(self.options)}" if self.options else ""
        at = "@" if who else ""
        return f"{self.kind}://{who}{at}{host}{port}/{quote(self.database)}{options}"


def parsed(url: str) -> Address:
    """Read a database URL.

    Raises:
        LoaderError: it is none.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _unreadable() from None
    if not parts.scheme or "://" not in url:
        raise _unreadable()
    return Address(
        kind=parts.scheme.partition("+")[0],
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        host=parts.hostname,
        port=port,
        database=unquote(parts.path.removeprefix("/")),
        options=dict(parse_qsl(parts.query)),
    )


def _unreadable() -> LoaderError:
    return LoaderError(
        "The output's url is no database URL. Write it as postgresql://user:password@host:5432/"
        "database, mysql://user:password@host:3306/database, or sqlite:///path."
    )
