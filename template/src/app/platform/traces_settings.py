"""The settings of traces: the variables of OpenTelemetry that decide whether there are any, and where they go."""

import re
from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.platform.environment import from_environment

PROTOCOL = "http/protobuf"
SAMPLERS = frozenset({"always_on", "always_off", "traceidratio"})

# as the SDK reads them: it logs a part that it does not understand, and with it a secret
_HEADER = re.compile(r"[ \t]*([!#-'*+.0-9A-Z^-z|~-]+)[ \t]*=[ \t]*([ !#-+\--:<-\[\]-~]*)[ \t]*")
# what an HTTP client refuses to send, and shows in its error
_UNSENDABLE = re.compile(r"[^ -~\xa0-\xff]")


def _installed(group: str) -> AfterValidator:
    """Return a check that each name of a list is an entry point: OpenTelemetry's own error is a traceback."""

    def check(value: str | None) -> str | None:
        for name in (value or "").split(","):
            if name.strip() and name.strip().lower() != "none" and not entry_points(group=group, name=name.strip()):
                message = "has a name that no installed package knows"
                raise ValueError(message)
        return value

    return AfterValidator(check)


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
    propagators: Annotated[str | None, _installed("opentelemetry_propagator")] = Field(
        default=None, description="of the callers' traces; unset: tracecontext,baggage"
    )
    python_tracer_provider: Annotated[str | None, _installed("opentelemetry_tracer_provider")] = Field(
        default=None, description="another provider, which traces are left to"
    )
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
        return [f"OTEL_{name.upper()}: {problem}" for name, problem in self._problems() if problem]

    def _problems(self) -> Iterator[tuple[str, str | None]]:
        for name in ("exporter_otlp_endpoint", "exporter_otlp_traces_endpoint"):
            yield name, _about_endpoint(getattr(self, name))
        for name in ("exporter_otlp_headers", "exporter_otlp_traces_headers"):
            yield name, _about_headers(getattr(self, name))
        protocol = self.exporter_otlp_traces_protocol or self.exporter_otlp_protocol or PROTOCOL
        yield "exporter_otlp_traces_protocol", None if protocol == PROTOCOL else f"set it to {PROTOCOL}"
        sampler = self.traces_sampler.lower().removeprefix("parentbased_")
        yield "traces_sampler", None if sampler in SAMPLERS else f"expected one of {', '.join(sorted(SAMPLERS))}"
        if sampler == "traceidratio":
            yield "traces_sampler_arg", _about_share(self.traces_sampler_arg)


def _about_endpoint(url: str | None) -> str | None:
    """Return what is wrong with a URL; the SDK logs all of it when the collector does not answer."""
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        known = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        known = False
    if not known:
        return "expected a URL such as http://collector:4318"
    if "@" in parts.netloc or "?" in url or "#" in url:
        return "may have no user, query or fragment, because it is logged; OTEL_EXPORTER_OTLP_HEADERS is for secrets"
    return None


def _about_headers(headers: SecretStr | None) -> str | None:
    for part in filter(None, map(str.strip, headers.get_secret_value().split(",") if headers else ())):
        found = _HEADER.fullmatch(part)
        if not found or _UNSENDABLE.search(unquote(found[1]) + unquote(found[2])):
            return "expected name=value, further ones after a comma, special characters such as , and ; as %2C and %3B"
    return None


def _about_share(text: str) -> str | None:
    try:
        return None if 0 <= float(text) <= 1 else "expected a number from 0 to 1"
    except ValueError:
        return "expected a number from 0 to 1"
