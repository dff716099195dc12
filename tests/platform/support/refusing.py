"""A server that refuses every connection in PostgreSQL's protocol, or never answers."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# the major version in a client's question for encryption, which comes before its real request
ENCRYPTION = 1234


@contextmanager
def refusing(sqlstate: str | None, message: str = "") -> Iterator[int]:
    """The port on which each connection is refused with this error; without one, nothing is ever answered."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_serve, args=(server, sqlstate, message))
        if sqlstate:
            thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            if sqlstate:
                thread.join()


def _serve(server: socket.socket, sqlstate: str, message: str) -> None:
    fields = {"S": "FATAL", "V": "FATAL", "C": sqlstate, "M": message}
    body = b"".join(f"{name}{value}\0".encode() for name, value in fields.items()) + b"\0"
    with suppress(OSError):
        while True:
            client, _ = server.accept()
            with client, suppress(OSError, struct.error):
                while _request(client) == ENCRYPTION:
                    client.sendall(b"N")
                client.sendall(b"E" + struct.pack("!i", len(body) + 4) + body)


def _request(client: socket.socket) -> int:
    """Read a start-up packet; the major version of the protocol it asks for."""
    length, version = struct.unpack("!ii", client.recv(8, socket.MSG_WAITALL))
    client.recv(length - 8, socket.MSG_WAITALL)
    return int(version) >> 16
