"""Traces by OpenTelemetry, if the environment asks for them (docs/tracing.md); else nothing of it is imported here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from app.platform.errors import StartupError

if TYPE_CHECKING:
    from app.platform.settings import PlatformSettings
    from app.platform.tracing_spans import Spans

MISSING = (
    "OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_TRACES_EXPORTER turns traces on, and OpenTelemetry is not installed: run"
    " `uv sync --extra otel`, build the image with `--build-arg EXTRA=otel`, or set OTEL_SDK_DISABLED=true"
)

spans: "Spans | None" = None
"""Records spans; `None` while traces are off, so that asking is all that they cost then. Read it as `tracing.spans`."""

# resources that are open in this process; in tests there may be several at a time
_users = 0


@asynccontextmanager
async def recording(settings: "PlatformSettings") -> AsyncIterator[None]:
    """Record the spans of this process until the end of the block, if traces are on, and send them.

    Raises:
        StartupError: traces are on, and OpenTelemetry is not installed, or refuses its settings.
    """
    global spans, _users  # noqa: PLW0603 (one process has one place where spans go)
    if not settings.traces.are_on:
        yield
        return
    provider = _provider()
    try:
        spans = spans or provider.open_spans(settings)
    except ValueError as error:
        message = f"OpenTelemetry refuses its settings: {error}"
        raise StartupError(message) from error
    _users += 1
    try:
        yield
    finally:
        _users -= 1
        if not _users:
            spans = None
            await provider.close()


def _provider() -> Any:
    try:
        return import_module("app.platform.tracing_provider")
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "opentelemetry":
            raise
        raise StartupError(MISSING) from None
