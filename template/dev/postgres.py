"""A PostgreSQL server for development and tests: kept between runs, or thrown away."""

import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.binaries import find_postgres, made_runnable
from dev.cluster import Cluster
from dev.errors import ServiceError
from dev.identity import choose
from dev.lock import locked
from dev.process import StopSteps, Supervised, Surroundings, serving

# Fast shutdown (clients are disconnected, data is safe), then harsher signals.
STOP: StopSteps = ((signal.SIGINT, 10), (signal.SIGQUIT, 5), (signal.SIGKILL, 5))
SETTINGS = (
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=200",
    # Some distributions log into the data directory, but error messages quote our own log.
    "logging_collector=off",
)
FAST_UNSAFE_SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@contextmanager
def postgres(data_dir: Path | None = None, port: int | None = None, *, join: bool = False) -> Iterator[str]:
    """Run a server, on a free port if none is given, and yield its URL; without a directory its data is thrown away.

    With `join`, use the server that another run has on this data, if there is one; it ends with that run.
    """
    home = Path(tempfile.mkdtemp(prefix="dev-postgres-")).resolve()
    try:
        cluster = Cluster(data_dir.resolve() if data_dir else home / "data")
        cluster.check()
        can_join = (lambda: cluster.live_port() is not None) if join else None
        with locked(cluster.lock, cluster.busy, can_join) as lock:
            if lock is None:
                yield _url_of_other(cluster)
                return
            with _running(cluster, home, lock, port, durable=data_dir is not None) as url:
                yield url
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _url_of_other(cluster: Cluster) -> str:
    port = cluster.live_port()
    if port is None:
        raise ServiceError(f"the server on {cluster.data} has stopped just now: try again")
    return cluster.url(port)


@contextmanager
def _running(cluster: Cluster, home: Path, lock: int, port: int | None, *, durable: bool) -> Iterator[str]:
    """Prepare the cluster as needed and keep its server up."""
    binaries = find_postgres(cluster.major)
    if cluster.major is not None:
        cluster.password()
    # Let the server's user reach a copy of the programs without listing the directory.
    home.chmod(0o711)
    identity = choose(cluster.data.parent, cluster.owner)
    identity.own(home)
    identity.own(cluster.lock)
    binaries = made_runnable(binaries, identity, home)
    around = Surroundings(home=home, log=cluster.log, identity=identity, keep=(lock,))
    if cluster.major is None:
        cluster.create(binaries, around, durable=durable)
    cluster.clear_stale_pid()
    before = cluster.status()
    settings = SETTINGS if durable else SETTINGS + FAST_UNSAFE_SETTINGS
    options = [part for setting in settings for part in ("-c", setting)]

    def start(port: int) -> Supervised:
        argv = [binaries["postgres"], "-D", str(cluster.data), "-p", str(port), *options]
        return Supervised(argv, around, stop=STOP)

    with serving("PostgreSQL", start, lambda _: cluster.is_ready(before), cluster.log, port) as used:
        yield cluster.url(used)
