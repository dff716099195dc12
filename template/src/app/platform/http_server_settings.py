"""The settings of the HTTP server itself: its connections, its start and its end."""

from pydantic import Field
from pydantic_settings import BaseSettings

from app.platform.environment import Seconds

OPERATIONS = frozenset({"/livez", "/readyz", "/metrics"})
"""Paths of the server itself, which orchestrators request all the time."""


class ServerParts(BaseSettings):
    """How the server treats connections, and how it ends. `HttpSettings` adds the rest."""

    root_path: str | None = Field(
        default=None,
        pattern=r"^(/[A-Za-z0-9._~-]+)*$",
        description="the prefix that a proxy takes away from each path, such as /shop",
    )
    keep_alive: Seconds = Field(default=75.0, description="seconds that an idle connection stays open")
    backlog: int = Field(default=2048, ge=1, le=65_535, description="connections that wait to be accepted")
    max_concurrency: int | None = Field(
        default=None, ge=1, le=100_000, description="requests that a process handles at a time; more are refused"
    )
    drain_seconds: float | None = Field(
        default=None, ge=0, le=3600, description="between SIGTERM and the end; unset: 5, in development 0"
    )
    shutdown_timeout: int = Field(default=30, ge=1, le=3600, description="seconds for open requests after that")
