"""Read `DATABASE_REPLICA_URL`: each of its hosts is a replica."""

from collections.abc import Iterator, Sequence

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.db import address, connecting
from app.platform.db.connections import OnConnect
from app.platform.db.engine import readers
from app.platform.db.recent_writers import RecentWriters
from app.platform.db.replica import Replica
from app.platform.db.replicas import MARGIN, Replicas
from app.platform.settings import ConfigError, DatabaseSettings


def open_replicas(
    settings: DatabaseSettings, primary: AsyncEngine, on_connect: Sequence[OnConnect], redis_url: str | None
) -> Replicas | None:
    """Make the replicas of these settings, which connect when they are needed; `None` if there are none.

    Raises:
        ConfigError: this service cannot use the `DATABASE_REPLICA_URL`. The message shows no part of it.
    """
    if not settings.replica_url:
        return None
    of_primary = readers(primary, settings).sync_engine
    try:
        replicas = [Replica(each, of_primary, on_connect) for each in each_host(settings, settings.replica_url)]
    except ConfigError as error:
        raise ConfigError(str(error).replace("DATABASE_URL", "DATABASE_REPLICA_URL")) from None
    writers = RecentWriters(settings.replica_max_lag + MARGIN, redis_url, settings.application_name)
    return Replicas(settings, replicas, writers)


def each_host(settings: DatabaseSettings, replica_url: SecretStr) -> Iterator[DatabaseSettings]:
    """Yield the settings of each replica: those of the primary, but for the address."""
    of_all = settings.elsewhere(replica_url)
    url, words = address.read(of_all, connecting.VOCABULARY)
    hosts, ports = (address.texts(url.query.get(word, ())) for word in ("host", "port"))
    for one in [address.at(url, [each]) for each in zip(hosts, ports, strict=True)] or [url]:
        # the zone of an address begins with a percent sign
        encoded = one.set(host=one.host and one.host.replace("%", "%25"))
        yield of_all.elsewhere(SecretStr(encoded.update_query_dict(words).render_as_string(hide_password=False)))
