"""The settings of a database's replicas."""

from pydantic import Field, SecretStr

from app.platform import environment, urls


class ReplicaParts(urls.DatabaseParts):
    """The replicas of a database; pool, timeouts and everything else are those of the primary."""

    replica_url: SecretStr | None = Field(
        default=None, alias="DATABASE_REPLICA_URL", description="of streaming replicas, each a host: reads go there"
    )
    replica_max_lag: environment.Seconds = Field(
        default=5.0, description="seconds that a replica may be behind; one that is further behind is left out"
    )
