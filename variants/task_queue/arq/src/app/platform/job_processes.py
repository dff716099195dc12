"""The processes of a job worker that open connections to PostgreSQL: ARQ runs all jobs in one."""

QUEUE = True


def pools_of_a_worker() -> int:
    """Return how many processes of a job worker have a connection pool."""
    return 1
