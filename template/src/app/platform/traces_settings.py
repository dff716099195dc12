"""The settings of traces: the variables of OpenTelemetry that decide whether there are any, and where they go."""

from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.platform.environment import from_environment

Url = Annotated[str, Field(pattern=r"^https?://[^/]")]
Protocol = Literal["http/protobuf", "http/json", "grpc"]
Sampler = Literal[
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
]


class TracesSettings(BaseSettings):
    """Traces, with the names, defaults and meanings of OpenTelemetry's specification; an empty variable is not set.

    The SDK reads further ones by itself, such as `OTEL_BSP_MAX_QUEUE_SIZE`.
    """

    model_config = SettingsConfigDict(**from_environment("OTEL_"), env_ignore_empty=True)

    exporter_otlp_endpoint: Url | None = Field(
        default=None, description="of a collector, such as http://collector:4318; turns traces on"
    )
    exporter_otlp_traces_endpoint: Url | None = Field(
        default=None,
        description="the same for traces only, with the whole path, such as http://collector:4318/v1/traces",
    )
    exporter_otlp_headers: SecretStr | None = Field(default=None, description="such as authorization=Bearer%20token")
    exporter_otlp_protocol: Protocol | None = Field(default=None, description="only http/protobuf")
    exporter_otlp_traces_protocol: Protocol | None = Field(default=None, description="the same for traces only")
    traces_exporter: Literal["otlp", "none"] | None = Field(
        default=None, description="otlp turns traces on, also without an endpoint: http://localhost:4318; none, off"
    )
    traces_sampler: Sampler = "parentbased_always_on"
    traces_sampler_arg: float = Field(default=1.0, ge=0, le=1, description="the share that a traceidratio records")
    service_name: str | None = Field(default=None, description="in traces; unset: DB_APPLICATION_NAME")
    resource_attributes: str | None = Field(default=None, description="such as deployment.environment.name=staging")
    sdk_disabled: bool = Field(default=False, description="true turns traces off, whatever else is set")

    @property
    def are_on(self) -> bool:
        """Whether spans are recorded and sent."""
        if self.sdk_disabled or self.traces_exporter == "none":
            return False
        return bool(self.traces_exporter or self.exporter_otlp_endpoint or self.exporter_otlp_traces_endpoint)

    @model_validator(mode="after")
    def _check_protocol(self) -> Self:
        protocol = self.exporter_otlp_traces_protocol or self.exporter_otlp_protocol or "http/protobuf"
        if self.are_on and protocol != "http/protobuf":
            message = "traces are sent by http/protobuf: set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf"
            raise ValueError(message)
        return self
