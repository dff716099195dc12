"""Traces that nobody receives, that are off, or that cannot be sent: the real process serves, or says why not."""

import json
import subprocess
import sys
from pathlib import Path

from tests.platform.process.database.test_traces import SECRET, USERS, to
from tests.platform.support.collector import collecting
from tests.support.server import PATIENCE, environment, serving


def test_silent_collector_delays_neither_requests_nor_the_end(tmp_path: Path, migrated_url: str) -> None:
    """The SDK itself would wait for half a minute at the end, and for ten minutes for an answer."""
    queue = {"OTEL_BSP_MAX_QUEUE_SIZE": "4", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "2", "OTEL_EXPORTER_OTLP_TIMEOUT": "600"}
    with collecting(silent=True) as collector, serving(tmp_path, migrated_url, **to(collector, **queue)) as server:
        server.wait_until_ready()
        for _ in range(10):
            assert server.client.get(f"{USERS}/me").status_code == 401
        assert collector.asked.wait(PATIENCE)
        code, log = server.stop()
    assert code == 0
    assert '"event":"traces_lost"' in log
    assert "Queue full" in log
    assert "Traceback" not in log


# off in three ways, then on by the file `.env`: the modules that traces need, the middleware, the listeners to
# statements, and whether there are spans. FastAPI itself imports OpenTelemetry's API, and the client of Redis the SDK's
# metrics.
STATES = """
import asyncio, json, os, sys
from pathlib import Path
from app.config import load_settings
from app.main import create_app
from app.platform import tracing
from app.resources import Resources

MORE = ("opentelemetry.sdk.trace", "opentelemetry.exporter", "opentelemetry.proto", "app.platform.tracing_")

async def look(**variables):
    os.environ.update(variables)
    settings = load_settings()
    app = create_app(settings)
    async with Resources(settings) as resources:
        layer, layers = app.build_middleware_stack(), []
        while layer:
            layers.append(type(layer).__name__)
            layer = getattr(layer, "app", None) or getattr(layer, "_app", None)
        hooks = resources.database.engine.sync_engine.dispatch
        modules = sorted(name for name in sys.modules if name.startswith(MORE))
        found = [modules, layers, len(hooks.before_cursor_execute), len(hooks.after_cursor_execute)]
        print("STATE" + json.dumps([*found, tracing.spans is not None]))
    for name in variables:
        del os.environ[name]

async def main():
    await look()
    endpoint = "http://127.0.0.1:1"
    await look(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_TRACES_EXPORTER="none")
    await look(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_SDK_DISABLED="true")
    Path(".env").write_text(f"OTEL_EXPORTER_OTLP_ENDPOINT={endpoint}")
    await look()
    # a process may open its resources again
    await look()

asyncio.run(main())
"""
# Starts four times: without the libraries, with variables that this platform refuses, with one that the SDK refuses,
# and with a provider of the service's own, which accepts everything.
REFUSALS = """
import asyncio, os, sys
from opentelemetry import trace
from app.config import load_settings
from app.platform.errors import StartupError
from app.resources import Resources

async def refused(**variables):
    os.environ.update(variables)
    try:
        async with Resources(load_settings()):
            print("REFUSED no")
    except StartupError as error:
        print("REFUSED", error)
    for name in variables:
        del os.environ[name]

async def main():
    sys.modules["opentelemetry.sdk"] = None
    await refused()
    del sys.modules["opentelemetry.sdk"]
    wrong = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_HEADERS": "hunter2"}
    await refused(**wrong)
    await refused(OTEL_BSP_MAX_QUEUE_SIZE="1")
    await refused(OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER="hunter2")
    trace.set_tracer_provider(trace.NoOpTracerProvider())
    sys.modules["opentelemetry.exporter.otlp.proto.http"] = None
    await refused(**wrong)

asyncio.run(main())
"""


def printed(directory: Path, url: str, code: str, mark: str, **variables: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=directory,
        env=environment(url, **variables),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [line.removeprefix(mark) for line in done.stdout.splitlines() if line.startswith(mark)]


def test_off_imports_nothing_and_hooks_nothing(tmp_path: Path, migrated_url: str) -> None:
    *off, on, again = map(json.loads, printed(tmp_path, migrated_url, STATES, "STATE"))
    assert off == [[[], off[0][1], 1, 1, False]] * 3
    assert on[1:] == [off[0][1], 1, 2, True]
    assert {"app.platform.tracing_provider", "opentelemetry.sdk.trace"} <= set(on[0])
    assert again[1:] == on[1:]
    assert "RequestIdMiddleware" in on[1]


def test_missing_libraries_and_refused_settings_are_said_in_one_line(tmp_path: Path, migrated_url: str) -> None:
    said = printed(tmp_path, migrated_url, REFUSALS, "REFUSED ", OTEL_TRACES_EXPORTER="otlp")
    missing, wrong, refused, plugin, left = said
    assert "uv sync --group otel" in missing
    assert wrong.startswith("OTEL_EXPORTER_OTLP_HEADERS: expected name=value")
    assert "; OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: set it to http/protobuf" in wrong
    assert refused.startswith("OpenTelemetry refuses its settings: ValueError in opentelemetry.sdk.trace.export.")
    assert plugin.startswith("OpenTelemetry refuses its settings: RuntimeError in opentelemetry.exporter.")
    assert SECRET not in "".join(said)
    assert left == "no"


def test_missing_propagator_is_said_before_fastapi_fails(tmp_path: Path, migrated_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app", "settings"],
        cwd=tmp_path,
        env=environment(migrated_url, OTEL_PROPAGATORS="b3"),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("python -m app: OTEL_PROPAGATORS: ")
    assert done.stderr.count("\n") == 1
