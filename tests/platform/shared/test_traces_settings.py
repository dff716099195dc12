"""The variables that turn traces on and off."""

import pytest

from app.platform.settings import ConfigError, load
from app.platform.traces_settings import TracesSettings

SECRET = "hunter2"
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
GRPC = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}


@pytest.mark.parametrize(
    ("variables", "on"),
    [
        ({}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://collector/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, False),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "true"}, False),
        # of the metrics of others
        (GRPC, False),
        (ENDPOINT | GRPC | {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}, True),
        # like a variable that is not set, as OpenTelemetry has it
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "", "OTEL_TRACES_EXPORTER": "", "OTEL_SDK_DISABLED": ""}, False),
    ],
)
def test_the_standard_variables_decide(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], *, on: bool) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert load(TracesSettings).are_on is on


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        (ENDPOINT | GRPC, "set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf"),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER: "),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": f"{SECRET}:4317"}, "OTEL_EXPORTER_OTLP_ENDPOINT: "),
        ({"OTEL_TRACES_SAMPLER_ARG": "10"}, "OTEL_TRACES_SAMPLER_ARG: "),
    ],
)
def test_wrong_values_are_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], reason: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as raised:
        load(TracesSettings)
    assert reason in str(raised.value)
    assert SECRET not in str(raised.value)
