"""Settings with which tests use the caches."""

from dataclasses import replace

from pydantic import SecretStr

from app.config import Settings


def with_cache(settings: Settings, redis_url: str) -> Settings:
    """Return settings with the cache, and with patience: a busy machine is no outage of Redis."""
    process = settings.process.model_copy(update={"redis_url": SecretStr(redis_url)})
    return replace(settings, process=process, cache=settings.cache.model_copy(update={"enabled": True, "timeout": 5.0}))
