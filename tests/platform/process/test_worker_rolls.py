"""Several workers are replaced while clients keep their connections, and end with their parent. With real processes."""

import os
import signal
import socket
from contextlib import ExitStack
from pathlib import Path

import httpx2 as httpx

from tests.platform.process.test_worker_starts import TWO, events, pids
from tests.platform.process.test_workers import until
from tests.support.server import Server, serving


def is_refused(server: Server) -> bool:
    try:
        httpx.get(server.client.base_url.join("/livez"))
    except httpx.ConnectError:
        return True
    except httpx.TransportError:
        # of a process that ends
        return False
    return False


def test_replaced_workers_answer_on_open_connections_and_a_stop_comes_first(tmp_path: Path, migrated_url: str) -> None:
    variables = {"HTTP_DRAIN_SECONDS": "3", "HTTP_RATE_LIMIT": "100000/minute"} | TWO
    with serving(tmp_path, migrated_url, **variables) as server, ExitStack() as stack:
        until(lambda: server.log().count("Application startup complete.") == 2, "both workers serve")
        old = pids(server)
        # so many that both workers have some
        clients = [stack.enter_context(httpx.Client(base_url=server.client.base_url)) for _ in range(16)]
        last: list[httpx.Response] = []

        def ask_all() -> None:
            answers = [client.get("/readyz") for client in clients]
            assert {answer.status_code for answer in answers} == {200}
            last.extend(answer for answer in answers if "connection" in answer.headers)

        def are_replaced() -> bool:
            ask_all()
            return bool(events(server, "workers_replaced")) and len(events(server, "retiring")) == 2

        ask_all()
        # a terminal sends it to the workers, too
        os.killpg(server.process.pid, signal.SIGHUP)
        until(are_replaced, "the workers are replaced")
        assert {answer.headers["connection"] for answer in last} == {"close"}
        assert events(server, "draining") == events(server, "worker_ended") == []
        assert len(pids(server)) == 2 * len(old)

        server.process.send_signal(signal.SIGHUP)
        until(lambda: len(events(server, "replacing_workers")) == 2, "the workers are being replaced again")
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGTTIN, signal.SIGTERM):
            server.process.send_signal(number)
        assert server.ended()[0] == 0
        assert len(events(server, "workers_replaced")) == 1


def test_workers_end_with_their_parent(tmp_path: Path, migrated_url: str) -> None:
    with serving(tmp_path, migrated_url, **TWO) as server:
        until(lambda: server.log().count("Application startup complete.") == 2, "both workers serve")
        server.process.kill()
        until(lambda: is_refused(server), "the port is free")
        until(lambda: server.log().count("Application shutdown complete.") == 2, "both workers have closed their pools")


def test_connections_are_refused_while_the_last_request_is_finished(tmp_path: Path, migrated_url: str) -> None:
    """A proxy can ask another instance then; what the kernel accepts for nobody would be lost."""
    with serving(tmp_path, migrated_url, HTTP_DRAIN_SECONDS="1", **TWO) as server:
        until(lambda: server.log().count("Application startup complete.") == 2, "both workers serve")
        url = server.client.base_url
        with socket.create_connection((url.host, url.port or 0)) as client:
            # half of a request, which keeps one of the workers
            client.sendall(b"POST /api/v1/users HTTP/1.1\r\nHost: service\r\nContent-Length: 10\r\n\r\n{")
            server.process.terminate()
            until(lambda: is_refused(server), "nothing is accepted")
            client.sendall(b'"a": 100}')
            assert client.recv(1000).startswith(b"HTTP/1.1 4")
        assert server.ended()[0] == 0
