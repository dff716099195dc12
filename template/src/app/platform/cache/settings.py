"""The settings of the caches."""

from pydantic import Field
from pydantic_settings import BaseSettings

from app.platform.environment import Seconds, from_environment


class CacheSettings(BaseSettings):
    """The caches of reads, in Redis. They are off by default; then every read goes to its source."""

    model_config = from_environment("CACHE_")

    enabled: bool = Field(default=False, description="keep the results of cached reads in Redis; needs REDIS_URL")
    ttl: Seconds = Field(default=60.0, description="for which a cache keeps a value, if it has no time of its own")
    timeout: float = Field(
        default=0.1, gt=0, le=5, description="seconds for an answer of Redis, at least 0.02; then the source is read"
    )
    wait: float = Field(
        default=1.0, gt=0, le=60, description="seconds for another process that loads the same value, then it is loaded"
    )
