"""Other libraries' errors, told in our words: what failed, what was found, what to do."""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from loaders.addresses import SECRET, shown_url
from loaders.errors import (
    LoaderError,
    SettingMissing,
    SourceRefused,
    SourceUnreachable,
    WarehouseBusy,
    WarehouseFailed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

SAID = 200
"""So many letters of an answer are told."""
REFUSED = (401, 403)
NOT_TO_US = "authenticat|nopermission|no permission|access_?refused|password"
NOT_AS_ASKED = {"ResponseError", "ChannelClosedByBroker"}
SERVER_SIDE = 500
TOO_MANY = 429
NO_ROOM = "No space left"


def explain(error: BaseException, source: str) -> LoaderError:
    """Return the error to raise for what went wrong while a source was loaded.

    Args:
        error: what a library raised, with its causes.
        source: the source's name.
    """
    causes = list(_causes(error))
    for cause in causes:
        told = _tell(cause, source)
        if told:
            return told
    for cause in causes:
        if type(cause).__name__ == "PipelineStepFailed" and getattr(cause, "step", "") == "load":
            return _not_taken(cause, causes[-1], source)
    root = causes[-1]
    return LoaderError(
        f"Loading '{source}' failed: {type(root).__name__}: {first_line(root)}. Nothing of this "
        f"load is visible; `tidemill load {source}` tries it again, `--debug` shows the whole "
        "trace."
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what caused it, outermost first."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _tell(cause: BaseException, source: str) -> LoaderError | None:
    if isinstance(cause, LoaderError):
        return cause
    if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
        return _disk_full(str(cause.filename or cause))
    module = type(cause).__module__.split(".")[0]
    teller = _TELLERS.get(module)
    return teller(cause, source) if teller else None


def _not_taken(failed: Any, root: BaseException, source: str) -> LoaderError:
    """Tell why the warehouse did not take what was loaded, and the way out."""
    said = re.findall(r"(?m)^[\w.]*(?:Exception|Error): (.+)$", str(root))
    reason = said[-1].rstrip(".") if said else first_line(root)
    if NO_ROOM in reason:
        return _disk_full(reason)
    told = f"The warehouse did not take what '{source}' brought: {reason}. "
    if not failed.pipeline.has_pending_data:
        return WarehouseFailed(
            f"{told}It was set aside, and is read again by the next load. Put the raw table right "
            f"(was it changed by hand?), and `tidemill load {source}`."
        )
    return WarehouseFailed(
        f"{told}It stays unfinished, and `tidemill load {source}` tries it again. Where that can "
        f"never succeed, move the folder {failed.pipeline.working_dir} away: what was read is then "
        "read again, from the last committed load on."
    )


def _tell_dlt(cause: BaseException, source: str) -> LoaderError | None:
    if type(cause).__name__ != "ConfigFieldMissingException":
        return None
    text = str(cause)
    fields = sorted(set(re.findall(r"for field `(\w+)`", text)))
    own = rf"Environment Variables, (SOURCES__{source.upper()}__\w+)\)"
    keys = sorted(re.findall(own, text), key=len, reverse=True)
    plain = {key.rpartition("__")[2]: key for key in keys}  # of dlt's many names the shortest
    places = ["the variable " + plain[field.upper()] for field in fields if field.upper() in plain]
    places.append(f"[sources.{source}] in .dlt/config.toml and .dlt/secrets.toml")
    return SettingMissing(
        f"The source '{source}' lacks the setting {', '.join(fields) or 'that it needs'}. Looked "
        f"at: {'; '.join(places)}. Set one of them."
    )


def _tell_requests(cause: BaseException, source: str) -> LoaderError | None:
    response = getattr(cause, "response", None)
    request = getattr(cause, "request", None)
    url = shown_url(str(getattr(request, "url", "") or ""))
    name = type(cause).__name__
    if response is not None and response.status_code in REFUSED:
        return SourceRefused(
            f"The source '{source}' refused us at '{url}': HTTP {response.status_code}"
            f"{_said(response)}. Check its token: SOURCES__{source.upper()}__TOKEN, or "
            ".dlt/secrets.toml."
        )
    if response is not None:
        code = response.status_code
        kind = SourceUnreachable if code >= SERVER_SIDE or code == TOO_MANY else SourceRefused
        return kind(
            f"The source '{source}' answered HTTP {code} at '{url}'{_said(response)}. "
            f"{_safe(source)}"
        )
    if name in {
        "ConnectionError",
        "ConnectTimeout",
        "ReadTimeout",
        "Timeout",
        "ChunkedEncodingError",
    }:
        return SourceUnreachable(
            f"The source '{source}' cannot be reached at '{url}': {_reason(cause)}. Check that it "
            f"runs and its address (SOURCES__{source.upper()}__BASE_URL). {_safe(source)}"
        )
    if name in {"JSONDecodeError", "InvalidJSONError"}:
        return SourceUnreachable(
            f"The source '{source}' sent a page that is not whole JSON: {first_line(cause)}. "
            f"{_safe(source)}"
        )
    return None


def _tell_sqlalchemy(cause: BaseException, source: str) -> LoaderError | None:
    if type(cause).__name__ in {"ArgumentError", "NoSuchModuleError"}:
        return SettingMissing(
            f"The source '{source}' has no address that SQLAlchemy can read: {first_line(cause)}. "
            f"Set SOURCES__{source.upper()}__URL, or `url` in .dlt/secrets.toml, such as "
            "postgresql+psycopg2://user:password@host/database."
        )
    if type(cause).__name__ not in {"OperationalError", "InterfaceError", "DatabaseError"}:
        return None
    return SourceUnreachable(
        f"The database of the source '{source}' does not answer: {first_line(cause)}. Check that "
        f"it runs, and SOURCES__{source.upper()}__URL. {_safe(source)}"
    )


def _tell_queue(cause: BaseException, source: str) -> LoaderError | None:
    said, setting = first_line(cause), f"SOURCES__{source.upper()}__URL"
    if re.search(NOT_TO_US, f"{type(cause).__name__} {said}", re.IGNORECASE):
        return SourceRefused(
            f"The queue of the source '{source}' refused us: {said}. Check user, password and what "
            f"they may do: {setting}. No message was acknowledged. {_safe(source)}"
        )
    if type(cause).__name__ in NOT_AS_ASKED or "UNKNOWN_TOPIC" in said:
        return SourceRefused(
            f"The queue of the source '{source}' answers, but not as asked: {said}. Check the name "
            f"of what is read. No message was acknowledged. {_safe(source)}"
        )
    return SourceUnreachable(
        f"The queue of the source '{source}' does not answer: {said}. Check that it runs, and "
        f"{setting}. No message was acknowledged. {_safe(source)}"
    )


def _tell_duckdb(cause: BaseException, source: str) -> LoaderError | None:
    text = first_line(cause)
    if "lock" in text and type(cause).__name__ == "IOException":
        return WarehouseBusy(
            "Cannot open the warehouse: another process has the DuckDB file open. Close it, or "
            f"read the published copy instead, which is never locked. {_safe(source)}"
        )
    if NO_ROOM in text:
        return _disk_full(text)
    return None


def _tell_postgres(cause: BaseException, source: str) -> LoaderError | None:
    """Tell what the warehouse said; what a source of PostgreSQL's says is told where it is read."""
    if NO_ROOM in str(cause):
        return _disk_full(first_line(cause))
    if type(cause).__name__ not in {"OperationalError", "InterfaceError"}:
        return None
    return WarehouseFailed(f"The warehouse does not answer: {first_line(cause)}. {_safe(source)}")


_TELLERS = {
    "dlt": _tell_dlt,
    "requests": _tell_requests,
    "sqlalchemy": _tell_sqlalchemy,
    "redis": _tell_queue,
    "pika": _tell_queue,
    "cimpl": _tell_queue,  # confluent_kafka
    "duckdb": _tell_duckdb,
    "_duckdb": _tell_duckdb,
    "psycopg2": _tell_postgres,
    "adbc_driver_manager": _tell_postgres,
}


def _disk_full(where: str) -> LoaderError:
    return WarehouseFailed(
        f"The disk is full: {where}. Make room and run again; nothing that was committed is lost."
    )


def _safe(source: str) -> str:
    return f"Nothing is lost: `tidemill load {source}` goes on from the last committed load."


def _said(response: Any) -> str:
    """Return what an answer says of itself, without what was secret in its request."""
    if "html" in response.headers.get("Content-Type", ""):
        return ""
    text, request = str(response.text)[: 5 * SAID], response.request
    query = parse_qsl(urlsplit(str(request.url)).query)
    for name, value in [*query, *request.headers.items()]:
        for word in value.split() if SECRET.search(name) else ():
            text = text.replace(word, "***")
    text = " ".join(text.split())
    return f": {text[:SAID]}{'…' if text[SAID:] else ''}" if text else ""


def _reason(cause: BaseException) -> str:
    found = re.search(r"\[Errno \d+\] ([^'\")]+)|(timed out)", str(cause))
    return (found.group(1) or found.group(2)) if found else type(cause).__name__


def first_line(error: BaseException) -> str:
    """Return what an error says in its first line, without a password."""
    text = str(error).strip().splitlines()
    line = text[0] if text else type(error).__name__
    return re.sub(r"//([^:@/\s]*):[^@\s]*@", r"//\1@", line).rstrip(".")
