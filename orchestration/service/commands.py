"""`tidemill serve` and `tidemill token`: the service's part of the command line."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from orchestration.cli_options import Json, Target  # noqa: TC001  Typer reads the annotations

NONE_YET = "No token yet. `tidemill token make NAME --scope read` makes one."
token = typer.Typer(help="Tokens for the service: make, list, revoke.")


def serve(
    host: Annotated[str, typer.Option("--host", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 8080,
    target: Target = None,
    no_scheduler: Annotated[
        bool, typer.Option("--no-scheduler", help="Serve only; start no jobs.")
    ] = False,
    require_tokens: Annotated[
        bool, typer.Option("--require-tokens", help="Ask this machine's callers for a token too.")
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", help="A name by which callers reach this service."),
    ] = None,
    tls_certificate: Annotated[
        str | None, typer.Option("--tls-certificate", help="A PEM file; with it, HTTPS.")
    ] = None,
    tls_key: Annotated[str | None, typer.Option("--tls-key", help="Its key, a PEM file.")] = None,
) -> int:
    """Serve a page and an API, with the scheduler inside.

    Batches in, marts out, runs, metrics, and a page that says whether all is well.
    """
    from orchestration.service import serving
    from orchestration.service.configuration import Binding

    binding = Binding(
        host=host, port=port, needs_tokens=require_tokens, hosts=tuple(allow_host or ())
    )
    if tls_key and not tls_certificate:
        raise typer.BadParameter("--tls-key needs --tls-certificate.")
    tls = (tls_certificate, tls_key) if tls_certificate else None
    return serving.serve(binding, target, has_scheduler=not no_scheduler, tls=tls)


@token.command("make")
def make(
    name: Annotated[str, typer.Argument(help="Who will use it.")],
    scope: Annotated[
        list[str], typer.Option("--scope", help="read, write or run; may be given several times.")
    ],
    days: Annotated[
        float | None, typer.Option("--days", min=0.001, help="It expires after so many days.")
    ] = None,
    json: Json = False,
) -> int:
    """Make a token and show it, this once."""
    from datetime import timedelta

    from orchestration import show

    tokens, store, now = _opened()
    ends = now + timedelta(days=days) if days else None
    token_id, text = tokens.make(store, name, scope, now=now, expires_at=ends)
    answer = {"id": token_id, "token": text, "scopes": sorted(set(scope)), "expires_at": ends}
    show.as_json(answer) if json else show.text(text)
    return 0


@token.command("list")
def list_(json: Json = False) -> int:
    """List the tokens, without their secrets."""
    from orchestration import show

    tokens, store, _ = _opened()
    found = tokens.listed(store)
    names = ("id", "name", "scopes", "created_at", "expires_at", "revoked_at")
    rows = [[entry[name] for name in names] for entry in found]
    grid = show.Grid(title="Tokens", header=names, rows=rows)
    show.as_json({"tokens": found}) if json else show.grid(grid, empty=NONE_YET)
    return 0


@token.command("revoke")
def revoke(
    token_id: Annotated[str, typer.Argument(help="A token's id; `tidemill token list` shows it.")],
    json: Json = False,
) -> int:
    """End a token; within a second no call with it is answered."""
    from orchestration import show

    tokens, store, now = _opened()
    tokens.revoke(store, token_id, now=now)
    answer = {"id": token_id, "revoked_at": now}
    show.as_json(answer) if json else show.text(f"The token {token_id} has been revoked.")
    return 0


def _opened() -> tuple[Any, Any, Any]:
    """Return the module of tokens, the store and the time; imported late for a quick start."""
    from loaders.intake.store import store_url
    from orchestration.clock import Clock
    from orchestration.service import tokens
    from orchestration.service.store import Store

    return tokens, Store.open(store_url()), Clock().now()
