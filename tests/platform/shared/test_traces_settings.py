"""The variables that turn traces on and off."""

import logging

import pytest
from opentelemetry.util.re import parse_env_headers

from app.platform.settings import ConfigError, load
from app.platform.traces_settings import TracesSettings

SECRET = "hunter2"
URL, TRACES_URL = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"
ENDPOINT = {URL: "http://collector:4318"}
GRPC = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}


def of_the_environment(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> TracesSettings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return load(TracesSettings)


@pytest.mark.parametrize(
    ("variables", "on"),
    [
        ({}, False),
        (ENDPOINT, True),
        ({TRACES_URL: "https://collector/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, False),
        # of a set-up of the service's own, whose values may be any of OpenTelemetry's
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "console"}, False),
        ({"OTEL_TRACES_EXPORTER": "none", URL: "collector:4317"}, False),
        ({"OTEL_TRACES_SAMPLER": "xray", "OTEL_TRACES_SAMPLER_ARG": "endpoint=http://localhost:2000"}, False),
        # anything but `true` is false
        (ENDPOINT | {"OTEL_SDK_DISABLED": "True"}, False),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "yep"}, True),
        # of the metrics of others
        (GRPC, False),
        (ENDPOINT | GRPC | {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}, True),
        # like a variable that is not set, as OpenTelemetry has it
        ({URL: "", "OTEL_TRACES_EXPORTER": "", "OTEL_SDK_DISABLED": ""}, False),
        (ENDPOINT | {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}, True),
        (ENDPOINT | {"OTEL_PROPAGATORS": "tracecontext, baggage"}, True),
    ],
)
def test_the_standard_variables_decide(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], *, on: bool) -> None:
    traces = of_the_environment(monkeypatch, variables)
    assert traces.are_on is on
    assert not on or traces.problems() == []


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        (GRPC, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: set it to http/protobuf"),
        ({URL: f"{SECRET}:4317"}, f"{URL}: expected a URL"),
        ({URL: f"http://collector:{SECRET}"}, f"{URL}: expected a URL"),
        ({URL: f"http://ada:{SECRET}@collector"}, f"{URL}: may have no user"),
        ({TRACES_URL: f"http://collector/v1/traces?token={SECRET}"}, f"{TRACES_URL}: may have no user"),
        ({HEADERS: f"Bearer {SECRET}"}, f"{HEADERS}: expected name=value"),
        ({"OTEL_EXPORTER_OTLP_TRACES_HEADERS": SECRET}, "OTEL_EXPORTER_OTLP_TRACES_HEADERS: expected name=value"),
        ({"OTEL_TRACES_SAMPLER": "xray"}, "OTEL_TRACES_SAMPLER: expected one of"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "10"}, "OTEL_TRACES_SAMPLER_ARG: "),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "half"}, "OTEL_TRACES_SAMPLER_ARG: "),
    ],
)
def test_wrong_values_are_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], reason: str
) -> None:
    traces = of_the_environment(monkeypatch, ENDPOINT | variables)
    (problem,) = traces.problems()
    assert problem.startswith(reason)
    assert not [value for value in variables.values() if value in problem]
    assert SECRET not in problem + repr(traces)


@pytest.mark.parametrize(
    "headers",
    [
        "authorization=Bearer%20token==",
        "authorization = Bearer token, x-tenant=\tshop,,",
        "authorization=Bearer token;x=y",
        "k=a b,token",
        "authorization: Bearer token=",
        "k=\u00fc",
        '"k"=token',
        "=token",
        "k=",
    ],
)
def test_headers_are_those_that_the_sdk_reads(monkeypatch: pytest.MonkeyPatch, headers: str) -> None:
    parts = [part for part in headers.split(",") if part.strip()]
    accepted = len(parse_env_headers(headers, liberal=True)) == len(parts)
    assert (of_the_environment(monkeypatch, {HEADERS: headers}).problems() == []) is accepted


def test_headers_that_no_client_sends_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert of_the_environment(monkeypatch, {HEADERS: f"authorization=a%0A{SECRET}"}).problems()


def test_log_does_not_show_headers_that_the_sdk_cannot_read(caplog: pytest.LogCaptureFixture) -> None:
    """A set-up of the service's own has the SDK read them without this check."""
    parse_env_headers(SECRET)
    assert caplog.text == ""
    assert not logging.getLogger("opentelemetry.util.re").isEnabledFor(logging.WARNING)


@pytest.mark.parametrize("name", ["OTEL_PROPAGATORS", "OTEL_PYTHON_TRACER_PROVIDER"])
def test_what_is_not_installed_is_said_before_a_library_fails(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name}: .* no installed package knows") as raised:
        of_the_environment(monkeypatch, {name: SECRET})
    assert SECRET not in str(raised.value)
