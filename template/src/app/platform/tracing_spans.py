"""The spans of statements, calls and attempts at jobs. FastAPI makes those of requests.

No span has a value of a parameter, a path, a query or a message of an error: they may be secrets. Only a request and an
attempt begin a trace; a statement and a call outside of them have no span.
"""

import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import replace
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.platform.http_calls import Call, Response, UnexpectedStatus

MOST_TEXT = 4096
"""Most characters of a statement in a span. A statement that inserts many rows is much longer."""

# only the trace: baggage of a client is nothing for other services
_PROPAGATOR = TraceContextTextMapPropagator()
_TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE|COPY|JOIN)\s+([\w.\"]+)", re.IGNORECASE)


class Spans:
    """Records the spans of this process."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def statement(self, text: str, seconds: float, error: BaseException | None = None) -> None:
        """Record a statement that took so long, and has ended at this moment."""
        if not trace.get_current_span().is_recording():
            return
        now = time.time_ns()
        text = text[:MOST_TEXT]
        operation, name = _summary(text)
        span = self._tracer.start_span(
            name,
            kind=SpanKind.CLIENT,
            attributes={"db.system.name": "postgresql", "db.operation.name": operation, "db.query.text": text},
            start_time=now - int(seconds * 1e9),
        )
        if error is not None:
            _fail(span, error)
            if code := getattr(error, "sqlstate", None):
                span.set_attribute("db.response.status_code", str(code))
        span.end(now)

    async def call(self, call: Call, send: Callable[[Call], Awaitable[Response]]) -> Response:
        """Make a call of another service, with all its tries, and tell that service the trace."""
        if not trace.get_current_span().is_recording():
            return await send(_with_trace(call))
        url = urlsplit(call.url)
        attributes: dict[str, Any] = {"http.request.method": call.method, "server.address": url.hostname or ""}
        if url.port:
            attributes["server.port"] = url.port
        with self._span(call.method, SpanKind.CLIENT, attributes) as span:
            try:
                response = await send(_with_trace(call))
            except BaseException as error:
                _fail(span, error)
                if isinstance(error, UnexpectedStatus):
                    span.set_attribute("http.response.status_code", error.status)
                raise
            span.set_attribute("http.response.status_code", response.status)
            return response

    async def attempt(
        self, job: str, parent: str | None, attributes: dict[str, Any], make: Callable[[], Awaitable[str]]
    ) -> None:
        """Make an attempt at a job, below the span that enqueued it; `make` returns the outcome."""
        context = _PROPAGATOR.extract({"traceparent": parent} if parent else {}, Context())
        attributes = {"messaging.operation.name": "process", "messaging.destination.name": job, **attributes}
        with self._span(f"process {job}", SpanKind.CONSUMER, attributes, context) as span:
            outcome = "given_back"
            try:
                outcome = await make()
            finally:
                span.set_attribute("job.outcome", outcome)
                if outcome in {"retried", "dead"}:
                    span.set_status(StatusCode.ERROR)

    def current(self) -> str | None:
        """Return the current span as the value of a header `traceparent`; `None` outside of traces."""
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier)
        return carrier.get("traceparent")

    def _span(self, name: str, kind: SpanKind, attributes: dict[str, Any], context: Context | None = None) -> Any:
        """Return a block in which a new span is the current one; what it raises is not recorded."""
        return self._tracer.start_as_current_span(
            name, context, kind, attributes, record_exception=False, set_status_on_exception=False
        )


def add_trace(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the ids of the current trace and span to a log event."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event.setdefault("trace_id", trace.format_trace_id(context.trace_id))
        event.setdefault("span_id", trace.format_span_id(context.span_id))
    return event


def _with_trace(call: Call) -> Call:
    """Return the call with the header `traceparent`, unless it has one of its own."""
    if any(name.lower() == "traceparent" for name in call.headers):
        return call
    headers = dict(call.headers)
    _PROPAGATOR.inject(headers)
    return replace(call, headers=headers)


def _fail(span: Span, error: BaseException) -> None:
    span.set_attribute("error.type", f"{type(error).__module__}.{type(error).__qualname__}")
    span.set_status(StatusCode.ERROR)


@lru_cache(maxsize=1024)
def _summary(text: str) -> tuple[str, str]:
    """Return the first word of a statement, and that word with the first table."""
    operation = (text.split(maxsplit=1) or ["SQL"])[0].upper()
    table = _TABLE.search(text)
    return operation, f"{operation} {table[1]}" if table else operation
