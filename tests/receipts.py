"""An external HTTP server that receives the receipts of the sample jobs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

# body and headers
Received = tuple[dict[str, Any], Message]


@contextmanager
def receiving() -> Iterator[tuple[str, list[Received]]]:
    """Run a server that accepts posts; yield its URL and the list of received bodies and headers."""
    taken: list[Received] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append((json.loads(self.rfile.read(int(self.headers["Content-Length"]))), self.headers))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Do not log requests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/receipts", taken
        finally:
            server.shutdown()
            thread.join()
