"""A wire to a server on loopback that can be cut in the middle of what goes over it."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self


class Wire:
    """Takes connections on a port of its own and hands on what comes, both ways."""

    def __init__(self, port: int) -> None:
        self.to = port
        self.ends: list[socket.socket] = []
        self.received = 0
        """Bytes that the server has sent over it."""
        self.cut_at: int | None = None
        """Cut once the server has sent so many bytes."""
        self.is_mute_then = False
        """Keep the connections then, and hand nothing on."""

    def __enter__(self) -> Self:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()

    def cut(self) -> None:
        """End all connections; new ones are taken."""
        while self.ends:
            end = self.ends.pop()
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self.listener.accept()
                there = socket.create_connection(("127.0.0.1", self.to))
                self.ends += [here, there]
                for ends in ((here, there, False), (there, here, True)):
                    threading.Thread(target=self._hand_on, args=ends, daemon=True).start()

    def _hand_on(self, source: socket.socket, to: socket.socket, is_answer: bool) -> None:
        with suppress(OSError):
            while found := source.recv(4096):
                self.received += len(found) if is_answer else 0
                if self.cut_at is not None and self.received >= self.cut_at:
                    if not self.is_mute_then:
                        self.cut_at = None
                        self.cut()
                        return
                else:
                    to.sendall(found)
            to.shutdown(socket.SHUT_WR)
