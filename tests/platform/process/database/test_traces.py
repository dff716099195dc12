"""Traces of the real process, at a collector that speaks OTLP over HTTP."""

import json
from pathlib import Path
from uuid import uuid4

from tests.platform.support.collector import CLIENT, ERROR, SERVER, Collector, collecting
from tests.support.client import PASSWORD, bearer
from tests.support.server import serving

USERS = "/api/v1/users"
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SECRET = "hunter2"
# a method that FastAPI does not know
ODD = "PROPFIND"
# sent as soon as they end
AT_ONCE = {"OTEL_BSP_SCHEDULE_DELAY": "50"}


def to(collector: Collector, **variables: str) -> dict[str, str]:
    return AT_ONCE | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url} | variables


def traced(trace: str) -> dict[str, str]:
    return {"traceparent": f"00-{trace}-{CALLER}-01"}


def test_requests_and_their_statements_are_traces(tmp_path: Path, migrated_url: str) -> None:
    email = f"{SECRET}@example.com"
    body = {"email": email, "password": PASSWORD}
    workers = {"HTTP_WORKERS": "2", "HTTP_RATE_LIMIT": "100000/minute", "OTEL_SERVICE_NAME": "shop"}
    with collecting() as collector, serving(tmp_path, migrated_url, **to(collector, **workers)) as server:
        server.wait_until_ready()
        created = server.client.post(f"{USERS}?token={SECRET}", json=body, headers=traced(TRACE))
        assert created.status_code == 201, created.text
        chosen = {"Host": f"{SECRET}:81"} | traced(other := uuid4().hex)
        assert server.client.request(ODD, f"{USERS}/me", headers=chosen).status_code == 405
        refused = server.client.post(USERS, json=body, headers=traced(repeated := uuid4().hex))
        assert refused.status_code == 409
        pair = server.client.post("/api/v1/auth/token", data={"username": email, "password": PASSWORD}).json()
        mine, baggage = uuid4().hex, {"baggage": f"user={SECRET}"}
        path = f"{USERS}/{created.json()['id']}"
        assert server.client.get(path, headers=bearer(pair) | traced(mine) | baggage).status_code == 200
        write = collector.wait_for(f"POST {USERS}", TRACE)
        failed = collector.wait_for(f"POST {USERS}", repeated)
        collector.wait_until(lambda: any(span.trace == other for span in collector.spans), "no span of an odd method")
        read = collector.wait_for(f"GET {USERS}/{{user_id}}", mine)

        def both_workers() -> bool:
            server.client.get(f"{USERS}/me", headers={"Connection": "close"} | traced(uuid4().hex))
            return len({span.process["process.pid"] for span in collector.spans}) == 2

        collector.wait_until(both_workers, "only one process sends spans")
        code, log = server.stop()
        assert code == 0
        for request, status in ((write, 201), (failed, 409), (read, 200)):
            assert (request.kind, request.parent) == (SERVER, CALLER)
            assert request.attributes["http.response.status_code"] == status
        assert {"INSERT users"} <= {span.name for span in collector.below(write)}
        assert [span.name for span in collector.below(read)] == ["SELECT users"]
        (insert,) = [span for span in collector.below(failed) if span.status == ERROR]
        assert (insert.name, insert.attributes["db.response.status_code"]) == ("INSERT users", "23505")
        for request in (write, failed, read):
            statements = collector.below(request)
            assert {(span.kind, span.trace) for span in statements} == {(CLIENT, request.trace)}
            assert {span.attributes["db.system.name"] for span in statements} == {"postgresql"}
    # neither probes nor statements outside of requests
    assert {span.name for span in collector.spans if not span.parent} == {"POST /api/v1/auth/token"}
    assert {span.process["service.name"] for span in collector.spans} == {"shop"}
    shown = repr(collector.spans)
    assert not [value for value in (SECRET, ODD, PASSWORD, created.json()["id"]) if value in shown]
    lines = [json.loads(line) for line in log.splitlines()]
    (logged,) = [line for line in lines if line.get("trace_id") == TRACE and line["event"] == "request"]
    assert logged["span_id"] == write.id
