"""Run uvicorn."""

import os
import signal
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import ChangeReload

from app.platform import multiprocess, ports, proxies
from app.platform.errors import StartupError
from app.platform.http.draining import Config, Server
from app.platform.http.protocol import ProblemHttpProtocol, ProblemWebSocketProtocol
from app.platform.http.workers import Workers
from app.platform.settings import Environment, HttpSettings, ProcessSettings, load

SOURCE = str(Path(__file__).parents[2])

DRAIN_SECONDS = 5.0
"""Without `HTTP_DRAIN_SECONDS`: balancers ask every second or two, and `docker stop` kills after ten seconds."""


def serve(factory: str, http: HttpSettings, metrics_directory: str | None) -> None:
    """Serve the application that `factory` makes until SIGTERM or SIGINT; finish open requests before exiting.

    Several workers keep their metrics in files: in `metrics_directory`, or in a temporary directory. In `make run`, a
    change of the source restarts the application.

    Raises:
        StartupError: it cannot listen on `HTTP_HOST` and `HTTP_PORT`.
        SystemExit: the service cannot start, or was stopped (with status 0).
    """
    config = _config(factory, http)
    # a socket of uvicorn's that processes share takes `::` for IPv4 as well, which asyncio's does not
    shared = config.should_reload or http.workers > 1
    if shared and "%" in http.host:
        # uvicorn's socket would lose it
        message = f"cannot listen on {http.host}: several workers, or a reload, need one without a zone (HTTP_HOST)"
        raise StartupError(message)
    ports.require_free(http.host, http.port, "HTTP_HOST, HTTP_PORT", ipv4_as_well=shared)
    directory = metrics_directory or os.environ.get(multiprocess.VARIABLE)
    with multiprocess.shared_directory(directory) if http.workers > 1 else nullcontext():
        # after its shutdown uvicorn raises the signal that stopped it again: exit with status 0 then
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
        server = Server(config)
        if config.should_reload:
            ChangeReload(config, target=server.run, sockets=[config.bind_socket()]).run()
        elif http.workers > 1:
            Workers(config, [config.bind_socket()]).run()
        else:
            # before the event loop runs, so that a mistake in the source has a short traceback
            config.load_app()
            server.run()
            if not server.started:
                sys.exit(STARTUP_FAILURE)


def _config(factory: str, http: HttpSettings) -> Config:
    folders = _reloaded(http)
    return Config(
        factory,
        # a change of the source is not to be waited for
        drain=0.0 if folders else drain_seconds(http),
        factory=True,
        http=ProblemHttpProtocol,
        ws=ProblemWebSocketProtocol,
        host=http.host,
        port=http.port,
        root_path=http.root_path or "",
        workers=http.workers,
        access_log=False,
        log_config=None,
        server_header=False,
        forwarded_allow_ips=proxies.with_mapped_addresses(http.forwarded_allow_ips),
        reload=bool(folders),
        reload_dirs=folders,
        **_limits(http),
    )


def _limits(http: HttpSettings) -> dict[str, Any]:
    return {
        "backlog": http.backlog,
        # of a message; a client that sends faster than its route reads has to wait
        "ws_max_size": http.max_body_bytes,
        "ws_max_queue": 4,
        "timeout_keep_alive": http.keep_alive,
        "timeout_graceful_shutdown": http.shutdown_timeout,
        # a worker that computes, or a machine with too much to do, can leave its parent without an answer for a while
        "timeout_worker_healthcheck": 30,
    }


def drain_seconds(http: HttpSettings) -> float:
    """Return how long a drain takes: in development nobody asks for readiness, and a stop should be quick."""
    if http.drain_seconds is not None:
        return http.drain_seconds
    return 0.0 if load(ProcessSettings).environment is Environment.DEVELOPMENT else DRAIN_SECONDS


def _reloaded(http: HttpSettings) -> list[str] | None:
    """Return the folders whose changes restart the service: `make run` sets `DEV_RELOAD`; several workers cannot."""
    asked = bool(os.environ.get("DEV_RELOAD")) and http.workers == 1
    # uvicorn warns when it is given folders that it does not watch
    return [SOURCE] if asked and load(ProcessSettings).environment is Environment.DEVELOPMENT else None
