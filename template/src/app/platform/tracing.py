"""Traces by OpenTelemetry, if the environment asks for them (docs/tracing.md); else nothing of it is imported here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any

import structlog

from app.platform.errors import StartupError

if TYPE_CHECKING:
    from app.platform.settings import PlatformSettings
    from app.platform.tracing_spans import Spans

PROVIDER = "app.platform.tracing_provider"
MISSING = (
    "OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_TRACES_EXPORTER turns traces on, and OpenTelemetry is not installed: run"
    " `uv sync --group otel`, build the image with `--build-arg GROUP=otel`, or set OTEL_SDK_DISABLED=true"
)

log = structlog.get_logger(__name__)

spans: "Spans | None" = None
"""Records spans; `None` while traces are off, so that asking is all that they cost then. Read it as `tracing.spans`."""

# resources that are open in this process; in tests there may be several at a time
_users = 0


@asynccontextmanager
async def recording(settings: "PlatformSettings") -> AsyncIterator[None]:
    """Record the spans of this process until the end of the block, if traces are on, and send them.

    The service's own code may have set a provider: all of it, settings included, is left to that one.

    Raises:
        StartupError: traces are on, and OpenTelemetry is not installed, or a variable of it cannot be used.
    """
    global spans, _users  # noqa: PLW0603 (one process has one place where spans go)
    if not _are_ours(settings):
        yield
        return
    provider = _provider()
    if spans is None:
        spans = _opened(provider, settings)
    _users += 1
    try:
        yield
    finally:
        _users -= 1
        if not _users:
            spans = None
            await provider.close()


def _are_ours(settings: "PlatformSettings") -> bool:
    """Return whether this platform is to record spans."""
    if not settings.traces.are_on:
        if settings.traces.traces_exporter not in {None, "otlp", "none"}:
            log.info("traces_off", reason="OTEL_TRACES_EXPORTER is not otlp")
        return False
    # the API, which FastAPI installs and has imported
    trace = import_module("opentelemetry.trace")
    try:
        current = trace.get_tracer_provider()
    except Exception as error:
        raise StartupError(_refused(error)) from error
    if not isinstance(current, trace.ProxyTracerProvider) and type(current).__module__ != PROVIDER:
        log.info("traces_left_to_another_provider")
        return False
    if problems := settings.traces.problems():
        raise StartupError("; ".join(problems))
    return True


def _provider() -> Any:
    try:
        return import_module(PROVIDER)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "opentelemetry":
            raise
        raise StartupError(MISSING) from None


def _opened(provider: Any, settings: "PlatformSettings") -> "Spans":
    try:
        opened: Spans = provider.open_spans(settings)
    # whatever a variable makes the SDK, or a plugin of it, raise
    except Exception as error:
        raise StartupError(_refused(error)) from error
    return opened


def _refused(error: Exception) -> str:
    """Say which function of OpenTelemetry raised an error. Its own text may quote the value of a variable."""
    return f"OpenTelemetry refuses its settings: {type(error).__name__} in {_place(error.__traceback__)}"


def _place(frames: TracebackType | None) -> str:
    found = "this service"
    while frames:
        module = str(frames.tb_frame.f_globals.get("__name__", ""))
        if module.startswith("opentelemetry."):
            found = f"{module}.{frames.tb_frame.f_code.co_name}"
        frames = frames.tb_next
    return found
