"""The processes of a job worker that open connections to PostgreSQL: the service has no jobs."""

QUEUE = False


def pools_of_a_worker() -> int:
    """Return how many processes of a job worker have a connection pool."""
    return 0
