"""Run uvicorn."""

import os
import signal
import sys
from contextlib import nullcontext
from pathlib import Path

import uvicorn

from app.platform import multiprocess, proxies
from app.platform.http.protocol import ProblemHttpProtocol, ProblemWebSocketProtocol
from app.platform.settings import Environment, HttpSettings, ProcessSettings, load

SOURCE = str(Path(__file__).parents[2])


def serve(factory: str, http: HttpSettings, metrics_directory: str | None) -> None:
    """Serve the application that `factory` makes until SIGTERM or SIGINT; finish open requests before exiting.

    Several workers keep their metrics in files: in `metrics_directory`, or in a temporary directory. In `make run`, a
    change of the source restarts the application.
    """
    folders = _reloaded(http)
    directory = metrics_directory or os.environ.get(multiprocess.VARIABLE)
    with multiprocess.shared_directory(directory) if http.workers > 1 else nullcontext():
        # after its shutdown uvicorn raises the signal that stopped it again: exit with status 0 then
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
        uvicorn.run(
            factory,
            factory=True,
            http=ProblemHttpProtocol,
            ws=ProblemWebSocketProtocol,
            host=http.host,
            port=http.port,
            workers=http.workers,
            access_log=False,
            log_config=None,
            server_header=False,
            forwarded_allow_ips=proxies.with_mapped_addresses(http.forwarded_allow_ips),
            # of a message; a client that sends faster than its route reads has to wait
            ws_max_size=http.max_body_bytes,
            ws_max_queue=4,
            timeout_graceful_shutdown=http.shutdown_timeout,
            reload=bool(folders),
            reload_dirs=folders,
        )


def _reloaded(http: HttpSettings) -> list[str] | None:
    """Return the folders whose changes restart the service: `make run` sets `DEV_RELOAD`; several workers cannot."""
    asked = bool(os.environ.get("DEV_RELOAD")) and http.workers == 1
    # uvicorn warns when it is given folders that it does not watch
    return [SOURCE] if asked and load(ProcessSettings).environment is Environment.DEVELOPMENT else None
