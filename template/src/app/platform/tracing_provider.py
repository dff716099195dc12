"""Sends spans by OTLP over HTTP: the only module that imports OpenTelemetry's SDK, of the group `otel`."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import INVALID_SPAN, NoOpTracer, Span, Tracer
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.platform import logging
from app.platform.http_server_settings import OPERATIONS
from app.platform.settings import PlatformSettings
from app.platform.tracing_spans import Spans, add_trace

log = structlog.get_logger(__name__)

# what a client chooses, which may be a secret, and may be different each time
_OF_CLIENTS = ("url.query", "server.address", "server.port", "http.request.method_original")

CLOSE_SECONDS = 3.0
"""How long the end of a process waits for the collector. Spans that it has not taken by then are lost."""


class _RequestTracer(Tracer):
    """Makes the spans of requests for FastAPI: none of probes, none of the steps, no value that a client chose."""

    def __init__(self, tracer: Tracer, untraced: frozenset[str]) -> None:
        self._tracer = tracer
        self._untraced = untraced

    def start_span(self, name: str, *arguments: Any, **options: Any) -> Span:
        """Start the span of a request."""
        options["attributes"] = attributes = dict(options.get("attributes") or {})
        for value in _OF_CLIENTS:
            attributes.pop(value, None)
        if attributes.pop("url.path", None) in self._untraced:
            return INVALID_SPAN
        return self._tracer.start_span(name, *arguments, **options)

    @contextmanager
    def start_as_current_span(self, *_: Any, **__: Any) -> Iterator[Span]:  # type: ignore[override] # a decorator as well
        """Make no span of a step of a request: there are several for each one."""
        yield INVALID_SPAN


class _Provider(trace.TracerProvider):
    """The provider of this process, which can be opened again: OpenTelemetry takes one only once.

    A worker's process opens its resources again when PostgreSQL was unavailable.
    """

    def __init__(self) -> None:
        self.sdk: TracerProvider | None = None
        self.untraced = OPERATIONS

    def get_tracer(self, instrumenting_module_name: str, *arguments: Any, **options: Any) -> Tracer:
        """Return a tracer of the SDK's provider."""
        if self.sdk is None:
            return NoOpTracer()
        tracer = self.sdk.get_tracer(instrumenting_module_name, *arguments, **options)
        return _RequestTracer(tracer, self.untraced) if instrumenting_module_name == "fastapi" else tracer


class _DotEnv(BaseSettings):
    """All variables of the file `.env`."""

    model_config = SettingsConfigDict(env_file=".env", extra="allow")


_provider = _Provider()


def open_spans(settings: PlatformSettings) -> Spans:
    """Record and send spans.

    Raises:
        Exception: the SDK, or a plugin of it, does not accept its settings, and raises whatever it likes.
    """
    _prepare_environment()
    resource = Resource.create({"process.pid": os.getpid()})
    if settings.traces.service_name is None and "unknown" in str(resource.attributes[SERVICE_NAME]):
        resource = resource.merge(Resource({SERVICE_NAME: settings.database.application_name}))
    # `close` has a bound; what the SDK does at the exit of a process has none
    sdk = TracerProvider(resource=resource, shutdown_on_exit=False)
    # the queue is bounded: spans are dropped while the collector is too slow
    sdk.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    root = settings.http.root_path or ""
    _provider.untraced = OPERATIONS | {f"{root}{path}" for path in OPERATIONS}
    _provider.sdk = sdk
    if trace.get_tracer_provider() is not _provider:
        trace.set_tracer_provider(_provider)
    logging.add_processor(add_trace)
    log.info("traces_on", service=resource.attributes[SERVICE_NAME])
    return Spans(_provider.get_tracer("app.platform"))


async def close() -> None:
    """Send what waits; give up after `CLOSE_SECONDS`, because an SDK without a collector takes half a minute."""
    sdk, _provider.sdk = _provider.sdk, None
    if sdk is None:
        return
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def shut_down() -> None:
        sdk.shutdown()
        # nobody waits any more when the loop is closed
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(done.set)

    # the interpreter does not wait for a daemon
    Thread(target=shut_down, name="traces", daemon=True).start()
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await done.wait()
    except TimeoutError:
        log.warning("traces_lost", reason=f"the collector did not take them within {CLOSE_SECONDS:g} s")


def _prepare_environment() -> None:
    """Put OpenTelemetry's variables of `.env` where the SDK reads them, without empty ones, which it would use."""
    for name in [name for name, value in os.environ.items() if name.startswith("OTEL_") and not value]:
        del os.environ[name]
    for name, value in (_DotEnv().model_extra or {}).items():
        if name.startswith("otel_") and value:
            os.environ.setdefault(name.upper(), value)
