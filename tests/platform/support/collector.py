"""A collector of traces: OTLP in protobuf over real HTTP."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.support.server import PATIENCE

SERVER, CLIENT, CONSUMER = 2, 3, 5
"""Kinds of spans."""
ERROR = 2
"""The status of a span."""


@dataclass(frozen=True, slots=True)
class Span:
    """A span that was received; `process` has the attributes of the process that sent it."""

    name: str
    kind: int
    status: int
    trace: str
    id: str
    parent: str
    attributes: dict[str, Any]
    process: dict[str, Any]


class Collector:
    """Keeps the spans that are sent to its URL; a silent one takes connections and never answers."""

    def __init__(self, *, silent: bool) -> None:
        self.spans: list[Span] = []
        self.asked = Event()
        self._silent = silent
        self._ends = Event()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector.answer(self)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Take an export, and answer, unless this one is silent."""
        assert request.path == "/v1/traces"
        assert request.headers["Content-Type"] == "application/x-protobuf"
        body = request.rfile.read(int(request.headers["Content-Length"]))
        self.asked.set()
        if self._silent:
            self._ends.wait()
            return
        self.spans += _spans(ExportTraceServiceRequest.FromString(body))
        answer = ExportTraceServiceResponse().SerializeToString()
        request.send_response(200)
        request.send_header("Content-Type", "application/x-protobuf")
        request.send_header("Content-Length", str(len(answer)))
        request.end_headers()
        request.wfile.write(answer)

    def wait_for(self, name: str, trace: str = "") -> Span:
        """Wait for a span with this name, of this trace if one is given, and return it."""
        self.wait_until(lambda: bool(self.named(name, trace)), f"no span {name}")
        return self.named(name, trace)[0]

    def wait_until(self, condition: Callable[[], bool], problem: str) -> None:
        """Wait for a condition."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"{problem}: {[span.name for span in self.spans]}"
            time.sleep(0.02)

    def named(self, name: str, trace: str = "") -> list[Span]:
        """Return the spans with this name so far."""
        return [span for span in self.spans if span.name == name and span.trace in {trace or span.trace}]

    def below(self, parent: Span) -> list[Span]:
        """Return the spans directly below another one so far."""
        return [span for span in self.spans if span.parent == parent.id]

    def close(self) -> None:
        """Close all connections."""
        self._ends.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def collecting(*, silent: bool = False) -> Iterator[Collector]:
    """Run a collector until the end of the block."""
    collector = Collector(silent=silent)
    try:
        yield collector
    finally:
        collector.close()


def _spans(request: ExportTraceServiceRequest) -> list[Span]:
    return [
        Span(
            span.name,
            span.kind,
            span.status.code,
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            _values(span.attributes),
            _values(resource.resource.attributes),
        )
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
