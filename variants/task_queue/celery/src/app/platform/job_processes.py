"""The processes of a job worker that open connections to PostgreSQL: it, and those in which Celery runs jobs."""

from app.platform.settings import JobSettings, load

QUEUE = True


def pools_of_a_worker() -> int:
    """Return how many processes of a job worker have a connection pool.

    Raises:
        ConfigError: a variable of the jobs is malformed.
    """
    jobs = load(JobSettings)
    return 1 + (1 if jobs.pool == "solo" else jobs.concurrency)
