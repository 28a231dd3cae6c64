"""Runs the service until it is asked to stop."""

from __future__ import annotations

import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration import show
from orchestration.commands import read_settings
from orchestration.errors import SettingWrong
from orchestration.service import tokens
from orchestration.service.app import create
from orchestration.service.configuration import read_limits
from orchestration.service.scheduling import Scheduling
from orchestration.service.service import Service

if TYPE_CHECKING:
    from orchestration.service.configuration import Binding

GRACE = 10
"""Seconds that answers under way have when the service is asked to stop."""


def serve(
    binding: Binding, target: str | None, *, has_scheduler: bool, tls: tuple[str, str | None] | None
) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code.

    Raises:
        SettingWrong: the address cannot be listened on, or a setting cannot be used.
        LedgerFailed: the store or the ledger cannot be used.
    """
    import uvicorn

    for path in tls or ():
        if path and not Path(path).is_file():
            raise SettingWrong(f"No file '{path}' for HTTPS. Give the path of a PEM file.")
    settings, limits = read_settings(target), read_limits()
    listening = _listen(binding)
    service = Service.open(settings, limits, binding)
    _greet(service, is_encrypted=tls is not None)
    scheduling = Scheduling(service.settings, service.ledger) if has_scheduler else None
    app = create(service, scheduling)
    options: dict[str, Any] = {"ssl_certfile": tls[0], "ssl_keyfile": tls[1]} if tls else {}
    config = uvicorn.Config(
        app,
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=GRACE,
        timeout_keep_alive=15,
        limit_concurrency=1000,
        h11_max_incomplete_event_size=65536,
        forwarded_allow_ips="",
        proxy_headers=False,
        **options,
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn hears them while it serves, and raises them once more when it has ended
        signal.signal(number, lambda *_: None)
    uvicorn.Server(config).run(sockets=[listening])
    return 0


def _listen(binding: Binding) -> socket.socket:
    family = socket.AF_INET6 if ":" in binding.host else socket.AF_INET
    # said to be TCP, or asyncio leaves Nagle's algorithm on and each answer waits 40 ms
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((binding.host, binding.port))
    except OSError as error:
        listening.close()
        raise SettingWrong(
            f"Cannot listen on '{binding.host}:{binding.port}': {error.strerror}. Another program "
            "may have the port; end it, or give --port another number."
        ) from error
    listening.listen(512)
    return listening


def _greet(service: Service, *, is_encrypted: bool) -> None:
    binding = service.binding
    scheme = "https" if is_encrypted else "http"
    show.text(f"Tidemill serves on {scheme}://{binding.host}:{binding.port}/ until Ctrl-C.")
    if binding.is_open:
        show.text("Only this machine reaches it, and needs no token.")
    elif not tokens.listed(service.store):
        show.text("Callers need a token, and there is none yet: `tidemill token make`.")
    if not binding.is_loopback and not is_encrypted:
        show.text("It is not encrypted: put a proxy with TLS in front, or give --tls-certificate.")
