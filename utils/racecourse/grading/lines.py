"""One JSON object per line through a local socket, with open files along, between processes that trust each other."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator, Sequence
from typing import Any

MOST_LINE = 2**24  # bytes


class Lines(Iterator[dict[str, Any]]):
    """The objects that arrive on a connection, until it closes or is silent for its time-out."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection, self.buffer = connection, b""
        self.files: list[int] = []  # that came along, unclaimed

    def __next__(self) -> dict[str, Any]:
        while b"\n" not in self.buffer:
            try:
                received, files, _, _ = socket.recv_fds(self.connection, 65536, 2)
                self.files += files
            except (ConnectionResetError, TimeoutError):
                received = b""
            if not received or len(self.buffer) > MOST_LINE:
                raise StopIteration
            self.buffer += received
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def more(self) -> bool:
        """Whether another line is here already."""
        return b"\n" in self.buffer

    def take_files(self) -> list[int]:
        files, self.files = self.files, []
        return files


def say(connection: socket.socket, message: dict[str, Any], files: Sequence[socket.socket] = ()) -> None:
    """
    Raises:
        OSError: nobody is there to hear it.
    """
    line = json.dumps(message).encode() + b"\n"
    sent = socket.send_fds(connection, [line], [file.fileno() for file in files])
    connection.sendall(line[sent:])


def say_if_heard(connection: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
        say(connection, message)
