"""One trace from a request through its statements and its call to the job that it enqueued, in real processes."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.platform.jobs.process.deployment import Deployment
from tests.platform.jobs.process.jobs import CALLING
from tests.platform.jobs.process.workers import wait_until
from tests.platform.support.collector import CLIENT, CONSUMER, ERROR, SERVER, Collector, Span, collecting
from tests.support.receivers import Receiver, receiving
from tests.support.server import serving

API = ("tests.platform.jobs.process.traced_api", "api")
JOB = f"process {CALLING.name}"
SECRET = "hunter2"
CALLER = "b7ad6b7169203331"
# the longest that a client may choose
REQUEST_ID = "r" * 128


async def test_a_trace_goes_from_a_request_to_its_job(deployment: Deployment, tmp_path: Path) -> None:
    trace = uuid4().hex
    headers = {"traceparent": f"00-{trace}-{CALLER}-01", "X-Request-ID": REQUEST_ID}
    with collecting() as collector:
        traces = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
        async with receiving(200) as receiver:
            api = of_the_service(deployment.environment("api", **traces))
            with (
                serving(tmp_path, api.pop("DATABASE_URL"), command=API, **api) as server,
                deployment.worker(**traces) as worker,
            ):
                await asyncio.to_thread(server.wait_until_ready)
                path, query = f"/api/v1/traced/{SECRET}", {"url": receiver.url}
                answer = await asyncio.to_thread(server.client.post, path, params=query, headers=headers)
                assert answer.status_code == 200, answer.text
                await wait_until(lambda: len(worker.logged("job")) == 2, "two attempts")
                logged = [*worker.logged("job"), *worker.logged("effect_written")]
                assert await worker.stop() == 0
                assert (await asyncio.to_thread(server.stop))[0] == 0
    assert SECRET not in repr(collector.spans)
    request = check_request(collector, receiver, trace)
    attempts = check_attempts(collector, receiver, request)
    assert [(event["trace_id"], event["span_id"]) for event in logged] == [
        (trace, attempts[each].id) for each in (0, 1, 1)
    ]
    assert {event["request_id"] for event in logged} == {REQUEST_ID}
    # the relay, the scheduler and what waits for jobs are no traces
    assert {span.name for span in collector.spans if not span.parent} == set()


def check_request(collector: Collector, receiver: Receiver, trace: str) -> Span:
    (request,) = collector.named("POST /api/v1/traced/{secret}", trace)
    assert (request.kind, request.parent) == (SERVER, CALLER)
    statements_and_call = [span for span in collector.below(request) if span.kind == CLIENT]
    names = [span.name for span in statements_and_call]
    assert names == ["INSERT gate", "INSERT outbox_messages", "POST"]
    assert_called(receiver, "POST", statements_and_call[-1])
    return request


def check_attempts(collector: Collector, receiver: Receiver, request: Span) -> list[Span]:
    """Check the spans of both attempts, of which the first one fails after its call, and return them."""
    first, second = attempts = sorted(
        collector.named(JOB, request.trace), key=lambda span: span.attributes["job.attempt"]
    )
    assert {(span.kind, span.parent) for span in attempts} == {(CONSUMER, request.id)}
    assert [span.attributes["job.outcome"] for span in attempts] == ["retried", "done"]
    assert [span.status == ERROR for span in attempts] == [True, False]
    called, *recorded = collector.below(first)
    assert [span.name for span in recorded] == ["UPDATE outbox_messages"]
    again, *written = collector.below(second)
    assert [span.name for span in written] == ["DELETE outbox_messages", "INSERT effects", "DELETE outbox_messages"]
    assert_called(receiver, "PUT", called, again)
    return attempts


def assert_called(receiver: Receiver, method: str, *spans: Span) -> None:
    """Assert that the other service has got calls with this method, and was told these spans."""
    told = [call.headers["traceparent"] for call in receiver.received if call.method == method]
    assert told == [f"00-{span.trace}-{span.id}-01" for span in spans]
    assert {span.attributes["http.response.status_code"] for span in spans} == {200}
    assert {span.attributes["server.address"] for span in spans} == {"127.0.0.1"}


def of_the_service(variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the variables of the service's own, without those of this process."""
    ours = ("DATABASE_", "REDIS_", "TASKS_", "OTEL_", "PYTHONPATH")
    return {name: value for name, value in variables.items() if name.startswith(ours)}
