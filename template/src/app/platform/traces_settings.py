"""The settings of traces: the variables of OpenTelemetry that decide whether there are any, and where they go."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.platform import traces_checks
from app.platform.environment import from_environment

_Propagators = Annotated[str | None, AfterValidator(traces_checks.installed("opentelemetry_propagator"))]
_Provider = Annotated[str | None, AfterValidator(traces_checks.installed("opentelemetry_tracer_provider"))]


def _is_true(value: object) -> bool:
    """Return a switch of OpenTelemetry: anything but `true` is false."""
    return str(value).strip().lower() == "true"


class TracesSettings(BaseSettings):
    """Traces, with the names, defaults and meanings of OpenTelemetry's specification; an empty variable is not set.

    They may be those of a set-up of the service's own, so only `problems` says what is wrong with them. The SDK reads
    further ones by itself, such as `OTEL_BSP_MAX_QUEUE_SIZE`.
    """

    model_config = SettingsConfigDict(**from_environment("OTEL_"), env_ignore_empty=True)

    exporter_otlp_endpoint: str | None = Field(
        default=None, repr=False, description="of a collector, such as http://collector:4318; turns traces on"
    )
    exporter_otlp_traces_endpoint: str | None = Field(
        default=None,
        repr=False,
        description="the same for traces only, with the whole path, such as http://collector:4318/v1/traces",
    )
    exporter_otlp_headers: SecretStr | None = Field(default=None, description="such as authorization=Bearer%20token")
    exporter_otlp_traces_headers: SecretStr | None = Field(default=None, description="the same for traces only")
    exporter_otlp_protocol: str | None = Field(default=None, description="only http/protobuf")
    exporter_otlp_traces_protocol: str | None = Field(default=None, description="the same for traces only")
    traces_exporter: str | None = Field(
        default=None, description="otlp turns traces on, also without an endpoint: http://localhost:4318; others, off"
    )
    traces_sampler: str = "parentbased_always_on"
    traces_sampler_arg: str = Field(default="1", description="the share that a traceidratio records, 0 to 1")
    propagators: _Propagators = Field(default=None, description="of the callers' traces; unset: tracecontext,baggage")
    python_tracer_provider: _Provider = Field(default=None, description="another provider, which traces are left to")
    service_name: str | None = Field(default=None, description="in traces; unset: DB_APPLICATION_NAME")
    resource_attributes: str | None = Field(default=None, description="such as deployment.environment.name=staging")
    sdk_disabled: Annotated[bool, BeforeValidator(_is_true)] = Field(
        default=False, description="true turns traces off, whatever else is set"
    )

    @property
    def are_on(self) -> bool:
        """Whether this platform records spans and sends them, unless the service's own code has set a provider."""
        if self.sdk_disabled or self.traces_exporter not in {None, "otlp"}:
            return False
        return bool(self.traces_exporter or self.exporter_otlp_endpoint or self.exporter_otlp_traces_endpoint)

    def problems(self) -> list[str]:
        """Return a line for each variable that the platform cannot send spans with, without values."""
        return [f"OTEL_{name.upper()}: {problem}" for name, problem in traces_checks.problems(self) if problem]
