"""A server that refuses every connection by PostgreSQL's protocol, or never answers."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# the major version in a client's request for encryption, which precedes its start-up packet
ENCRYPTION = 1234


@contextmanager
def refusing(sqlstate: str | None, message: str = "") -> Iterator[int]:
    """Yield the port of a server that refuses each connection with this error; without one, it never answers."""
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
    """Read a start-up packet, and return the major version of the requested protocol."""
    length, version = struct.unpack("!ii", client.recv(8, socket.MSG_WAITALL))
    client.recv(length - 8, socket.MSG_WAITALL)
    return int(version) >> 16
