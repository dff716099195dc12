"""The settings of calls of other services."""

from pydantic import Field
from pydantic_settings import BaseSettings

from app.platform.environment import Seconds, from_environment


class HttpClientSettings(BaseSettings):
    """Calls of other services. A call may set its own timeouts and tries."""

    model_config = from_environment("HTTP_CLIENT_")

    connections: int = Field(default=100, ge=1, le=10_000, description="open connections of a process")
    connections_per_host: int = Field(default=10, ge=1, le=10_000)
    connect_timeout: Seconds = Field(default=5.0, description="until a connection is free or open")
    try_timeout: Seconds = Field(default=10.0, description="for each try of a call")
    timeout: Seconds = Field(default=30.0, description="for a call, over all its tries")
    tries: int = Field(default=3, ge=1, le=10)
    max_response_bytes: int = Field(default=10_485_760, ge=1024, description="of a body, decompressed")
