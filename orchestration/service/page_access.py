"""Who looks at the page: signed in by a token, or on this machine; forms from our pages only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import parse_qs

from fastapi import Depends, Request

from orchestration.service import sessions, tokens
from orchestration.service.access import OPEN, is_forwarded, refuse_foreign
from orchestration.service.problems import Refused
from orchestration.service.tokens import Caller

if TYPE_CHECKING:
    from orchestration.service.service import Service


MOST_FIELDS: Final = 20


class SignInNeeded(Exception):
    """Somebody who is not signed in asked for a page."""


def visitor(request: Request) -> Caller:
    """Return who looks at the page.

    Raises:
        SignInNeeded: nobody we know.
        Refused: 403 or 429.
    """
    service: Service = request.app.state.service
    found = _signed_in(service, request)
    if found is None and service.binding.is_open and not is_forwarded(request):
        found = OPEN
    if found is None:
        raise SignInNeeded
    service.throttle.take(found.id)
    request.state.caller = found
    if "read" not in found.scopes:
        raise Refused(403, f"The token '{found.name}' has no scope 'read', which pages need.")
    return found


def _signed_in(service: Service, request: Request) -> Caller | None:
    now = service.clock.now()
    cookie = request.cookies.get(sessions.COOKIE, "")
    token_id = sessions.token_of(service.secret, cookie, now)
    return tokens.find(service.store, token_id, now=now) if token_id else None


Visitor = Annotated[Caller, Depends(visitor)]


async def fields(request: Request) -> dict[str, str]:
    """Return the fields of a form that was sent."""
    body = (await request.body()).decode("utf-8", "replace")
    try:
        found = parse_qs(body, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise Refused(422, f"A form has {MOST_FIELDS} fields at most.") from None
    return {name: values[0].replace("\x00", "") for name, values in found.items()}


Fields = Annotated[dict[str, str], Depends(fields)]


def actor(request: Request, caller: Visitor, sent: Fields) -> Caller:
    """Return who sent a form, which must be one of ours and from one of our pages.

    Raises:
        Refused: 403.
    """
    refuse_foreign(request)
    if not sessions.is_form_token(
        request.app.state.service.secret, caller.id, sent.get("form", "")
    ):
        raise Refused(403, "The form is not one of ours, or too old. Load the page again.")
    if "run" not in caller.scopes:
        raise Refused(403, f"The token '{caller.name}' has no scope 'run', which actions need.")
    return caller


Actor = Annotated[Caller, Depends(actor)]
