"""The cache of summaries. Code that writes orders has to drop their owners' summaries."""

from app.features.orders.schemas import OrderSummary
from app.platform.cache.caches import Caches, UserCache, no_caches


def order_summaries(caches: Caches | None) -> UserCache[OrderSummary]:
    """Return the cache, the same one for each service of a process; without caches, one that stores nothing."""
    return (caches or no_caches()).per_user("order_summaries", OrderSummary)
