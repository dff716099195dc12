"""The spans of statements, calls and attempts, where they are no success, or where there is no trace."""

import asyncio

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from opentelemetry.trace import StatusCode, Tracer

from app.platform.http_calls import Call, Response, TimedOut, UnexpectedStatus
from app.platform.tracing_spans import MOST_TEXT, Spans, add_trace

SECRET = "hunter2"
CALL = Call("PUT", f"http://ada:{SECRET}@other:81/{SECRET}", None, {}, None, 0, 1.0, 1.0, 1, repeatable=True)


class Recorder:
    """A tracer of this test only, and what it has recorded."""

    def __init__(self, sampler: Sampler) -> None:
        self._exporter = InMemorySpanExporter()
        self._provider = TracerProvider(sampler, shutdown_on_exit=False)
        self._provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer: Tracer = self._provider.get_tracer("test")
        self.spans = Spans(self.tracer)

    def finished(self) -> list[ReadableSpan]:
        """Return the spans that have ended, in this order."""
        return list(self._exporter.get_finished_spans())


@pytest.fixture
def recorder() -> Recorder:
    return Recorder(ALWAYS_ON)


async def answered(call: Call) -> Response:
    return Response(call.name, 200, call.headers, b"")


async def test_failed_calls_say_why_without_values(recorder: Recorder) -> None:
    for error in (UnexpectedStatus(503), TimedOut(SECRET)):

        async def fail(_call: Call, error: Exception = error) -> Response:
            raise error

        with recorder.tracer.start_as_current_span("request"), pytest.raises(type(error)):
            await recorder.spans.call(CALL, fail)
    refused, _, late, _ = recorder.finished()
    assert [span.status.status_code for span in (refused, late)] == [StatusCode.ERROR] * 2
    assert dict(refused.attributes or {}) == {
        "http.request.method": "PUT",
        "server.address": "other",
        "server.port": 81,
        "error.type": "app.platform.http_calls.UnexpectedStatus",
        "http.response.status_code": 503,
    }
    assert (late.attributes or {})["error.type"] == "app.platform.http_calls.TimedOut"
    assert SECRET not in "".join(span.to_json() for span in recorder.finished())


async def test_other_service_is_told_a_trace_that_is_not_recorded(recorder: Recorder) -> None:
    unsampled = Recorder(ALWAYS_OFF)
    with unsampled.tracer.start_as_current_span("request"):
        told = (await unsampled.spans.call(CALL, answered)).headers["traceparent"]
        unsampled.spans.statement("SELECT 1", 0.1)
    # the last bit is the flag `sampled`
    assert int(told[-2:], 16) % 2 == 0
    assert unsampled.finished() == []
    # outside of traces there is nothing to tell, and a header of the caller's own stays
    assert (await recorder.spans.call(CALL, answered)).headers == {}
    own = Call("GET", CALL.url, None, {"Traceparent": "own"}, None, 0, 1.0, 1.0, 1, repeatable=True)
    with recorder.tracer.start_as_current_span("request"):
        assert (await recorder.spans.call(own, answered)).headers == {"Traceparent": "own"}


async def test_interrupted_attempt_is_given_back_and_begins_a_trace(recorder: Recorder) -> None:
    async def interrupted() -> str:
        raise asyncio.CancelledError

    with recorder.tracer.start_as_current_span("another"):
        with pytest.raises(asyncio.CancelledError):
            await recorder.spans.attempt("ship", None, {"job.attempt": 1}, interrupted)
        with pytest.raises(asyncio.CancelledError):
            await recorder.spans.attempt("ship", f"00-{'a' * 32}-{'b' * 16}-01", {}, interrupted)
    first, second, _ = recorder.finished()
    assert first.name == "process ship"
    assert (first.attributes or {})["job.outcome"] == "given_back"
    assert first.parent is None
    assert second.parent
    assert second.parent.trace_id == int("a" * 32, 16)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("select 1", "SELECT"),
        ('INSERT INTO "order" (id) VALUES ($1)', 'INSERT "order"'),
        ("WITH due AS (SELECT id FROM messages) UPDATE messages SET state = $1", "WITH messages"),
        ("", "SQL"),
        (f"UPDATE users SET x = {'$1,' * MOST_TEXT}", "UPDATE users"),
    ],
)
def test_statements_are_named_by_their_first_word_and_table(recorder: Recorder, text: str, name: str) -> None:
    recorder.spans.statement(text, 0.1)
    assert recorder.finished() == []
    with recorder.tracer.start_as_current_span("request"):
        recorder.spans.statement(text, 0.1)
        assert {"trace_id", "span_id"} <= add_trace(None, "info", {}).keys()
    statement = recorder.finished()[0]
    assert statement.name == name
    assert statement.start_time
    assert statement.end_time
    assert 99 < (statement.end_time - statement.start_time) / 1e6 < 101
    assert len(str((statement.attributes or {})["db.query.text"])) <= MOST_TEXT
    assert add_trace(None, "info", {}) == {}
