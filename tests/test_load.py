"""`make load`, as an owner runs it: with the real service, and with others that are silent, cut off, or slow."""

import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import pytest

from tests.life import Rendered
from tests.loading import loading, processes
from tests.project import Project
from tests.receipts import receiving
from tests.shell import attempt, environment, run
from tests.variants import few_variants

API = ["-m", "app", "api"]
TEST = ["-m", "dev.load"]
GENERATOR = ["-m", "dev.load.generator"]
# what fits into a few seconds on a busy machine
THRESHOLDS = """
[ramp]
clients = [1, 3]
seconds = 2
request_timeout = 5

[thresholds]
"""
GETS_ONLY = """
def begin(client):
    pass


def repeat(client):
    client.send("GET", "/thing", expect=200)


def stored(client):
    return []
"""


# a signal in the middle of a test; what runs then is to be cleaned up
HANGS_UP = """
import os, signal, sys, time
from dev.load import __main__ as load

def test(plan):
    try:
        os.kill(os.getpid(), signal.SIGHUP)
        time.sleep(60)
    finally:
        print("cleaned up")

load.test = test
sys.exit(load.main())
"""


@pytest.fixture(scope="module")
def project(place: Path, rendered: Rendered) -> Project:
    variant = next(each for each in few_variants() if each["sample"] == "orders" and each["task_queue"] == "arq")
    return Project(Path(shutil.copytree(rendered(variant), place / "load" / variant.id)))


def counted(step: dict[str, Any], name: str) -> int:
    return sum(sum(each[name].values()) for each in step["requests"])


def test_kept_thresholds_and_a_report_and_nothing_reaches_a_server_of_others(project: Project) -> None:
    (project.root / "tests/make_load/thresholds.toml").write_text(THRESHOLDS)
    with receiving() as (url, received):
        (project.root / ".env").write_text(f"AUTH_SECRET_KEY={'k' * 32}\nPAYMENTS_WEBHOOK_URLS={url}\n")
        with loading(project, DB_POOL_SIZE="3", PAYMENTS_WEBHOOK_URLS=url) as test:
            status, results = test.ended()
    assert status == 0, test.printed
    assert not received
    assert "PAYMENTS_WEBHOOK_URLS" in results["settings"].values()
    assert [step["began"] for step in results["steps"]] == [1, 3]
    for step in results["steps"]:
        names = {(each["phase"], each["name"]) for each in step["requests"] if each["good"]}
        orders = "/api/v1/orders"
        for wanted in ("POST /api/v1/users", "POST /api/v1/auth/token"):
            assert ("begin", wanted) in names
        assert {("round", f"POST {orders}"), ("round", f"POST {orders}/:id/pay"), ("round", f"GET {orders}")} <= names
        assert (step["lost"], step["unchecked"], counted(step, "errors"), counted(step, "unanswered")) == (0, 0, 0, 0)
        assert step["confirmed"] > 0
        assert (step["pool"]["size"], step["pool"]["held"] > 0, step["cpu"]["database"] is not None) == (3, True, True)
    assert (results["settings"]["pool: size"], results["processes"]) == ("3", 1)
    page = (project.root / ".dev/load/load-report.html").read_text()
    assert page.count("<svg") == 3
    # which advice it is depends on what else this machine has to do
    assert "<h2>Recommendation</h2><pre>" in page
    assert "<td>pool: size</td><td>3</td>" in page


def test_silent_service_leaves_requests_unanswered_and_breaks_the_thresholds(project: Project) -> None:
    plan = THRESHOLDS.replace("seconds = 2", "seconds = 10").replace("request_timeout = 5", "request_timeout = 3")
    (project.root / "tests/make_load/thresholds.toml").write_text(f"{plan}p50_ms = 0.001\n")
    with loading(project, LOAD_CLIENTS="2") as test:
        test.until("measuring")
        time.sleep(1)
        api = test.pid(API)
        os.kill(api, signal.SIGSTOP)
        time.sleep(5)
        os.kill(api, signal.SIGCONT)
        status, results = test.ended()
    assert status != 0
    (step,) = results["steps"]
    assert {cause for each in step["requests"] for cause in each["unanswered"]} == {"timed out"}
    assert counted(step, "unanswered") >= 2
    assert step["lost"] == 0
    assert f"BROKEN: unanswered requests at 2 clients: {counted(step, 'unanswered')}, allowed 0" in test.printed
    assert re.search(r"BROKEN: p50 at 2 clients: [\d.]+ ms, allowed ", test.printed)


class CutsOff(BaseHTTPRequestHandler):
    """Closes the connection instead of answering each second request, and refuses each fourth."""

    protocol_version = "HTTP/1.1"
    asked = 0

    def do_GET(self) -> None:
        refused = False
        if self.path == "/thing":
            type(self).asked += 1
            if self.asked % 2 == 0:
                self.close_connection = True
                return
            refused = self.asked % 4 == 3
        self.send_response(503 if refused else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the library
        pass


def test_no_request_is_repeated_behind_the_back_of_the_counts(project: Project) -> None:
    (project.root / "tests/make_load/thresholds.toml").write_text(THRESHOLDS)
    (project.root / "tests/make_load/journey.py").write_text(GETS_ONLY)
    server = ThreadingHTTPServer(("127.0.0.1", 0), CutsOff)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        with loading(project, LOAD_URL=f"http://127.0.0.1:{server.server_port}", LOAD_CLIENTS="1") as test:
            status, results = test.ended()
    finally:
        server.shutdown()
        server.server_close()
    assert status != 0
    (step,) = results["steps"]
    (gets,) = step["requests"]
    assert gets["unanswered"] == {"cut off": CutsOff.asked // 2}, test.printed
    assert gets["errors"] == {"503": (CutsOff.asked + 1) // 4}
    assert gets["good"] + counted(step, "errors") + counted(step, "unanswered") == CutsOff.asked
    assert "with status" not in test.printed


class Slow(BaseHTTPRequestHandler):
    """Answers one request after the other, each after a hundredth of a second."""

    protocol_version = "HTTP/1.1"
    turn = Lock()

    def do_GET(self) -> None:
        if self.path == "/thing":
            with self.turn:
                time.sleep(0.01)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the library
        pass


class ManyAtOnce(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


@contextmanager
def slow() -> Iterator[str]:
    with ManyAtOnce(("127.0.0.1", 0), Slow) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def test_answers_after_the_time_of_a_step_are_no_part_of_its_rate(project: Project) -> None:
    (project.root / "tests/make_load/thresholds.toml").write_text(THRESHOLDS)
    (project.root / "tests/make_load/journey.py").write_text(GETS_ONLY)
    with slow() as url, loading(project, LOAD_URL=url, LOAD_CLIENTS="50") as test:
        _, results = test.ended()
    (step,) = results["steps"]
    (gets,) = step["requests"]
    # the server cannot answer more; one may have been in its turn at the beginning
    assert (gets["good"] - gets["late"]) / step["seconds"] <= 100 + 1 / step["seconds"]
    assert gets["late"] > 0


def test_the_generator_ends_when_the_test_is_killed(project: Project) -> None:
    (project.root / "tests/make_load/thresholds.toml").write_text(THRESHOLDS)
    (project.root / "tests/make_load/journey.py").write_text(GETS_ONLY)
    with slow() as url, loading(project, LOAD_URL=url, LOAD_CLIENTS="2", LOAD_SECONDS="120") as test:
        test.until("measuring")
        generator = test.pid(GENERATOR)
        os.kill(test.pid(TEST), signal.SIGKILL)
        deadline = time.monotonic() + 30
        while processes()[1].get(generator, [])[1:] == GENERATOR:
            assert time.monotonic() < deadline, "the generator goes on"
            time.sleep(0.05)


def test_a_closed_terminal_ends_the_test_with_what_it_started(project: Project) -> None:
    uv = ("uv", "run", "--quiet", "--group", "load", "python", "-c", HANGS_UP)
    done = attempt(*uv, cwd=project.root, env=environment(UV_PROJECT_ENVIRONMENT=".dev/load/venv"))
    assert (done.returncode, done.stdout) == (128 + signal.SIGHUP, "cleaned up\n")


def test_a_refused_address_leaves_the_last_report(project: Project) -> None:
    report = project.root / ".dev/load/load-report.json"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text("the last one")
    # of a network for documents (RFC 5737)
    done = attempt("make", "load", cwd=project.root, env=environment(LOAD_URL="http://192.0.2.1", LOAD_ANYWHERE="0"))
    assert done.returncode != 0
    assert "that is not this machine; LOAD_ANYWHERE=1 if you may load that server" in done.stdout
    assert report.read_text() == "the last one"


def test_a_module_of_the_owner_with_the_name_of_the_command_is_not_hidden(project: Project) -> None:
    (project.root / "tests/load.py").write_text("OURS = 1\n")
    run(sys.executable, "-c", "from tests.load import OURS", cwd=project.root)
