"""The instruments of the workers, beside those of `app/platform/metrics.py`."""

from prometheus_client import Counter, Gauge, Histogram

JOB_SECONDS = Histogram(
    "job_duration_seconds",
    "Time that attempts at jobs took, by outcome: done, retried, dead, given_back, overruled.",
    ["job", "outcome"],
)
JOB_DELAY_SECONDS = Histogram(
    "job_start_delay_seconds",
    "Time from the transaction that asked for a job to the begin of its first attempt.",
    ["job"],
)
SCHEDULES_FIRED = Counter("job_schedules_fired_total", "Times that a schedule was fired by this worker.", ["job"])
OUTBOX_JOBS = Gauge("outbox_jobs", "Jobs that are not done, by state: waiting, handed_over, running.", ["state"])
OUTBOX_OLDEST_SECONDS = Gauge("outbox_oldest_seconds", "Age of the oldest job that no worker has begun yet.")
DEAD_JOBS = Gauge("dead_jobs", "Jobs that gave up and wait for somebody to look.")
QUEUE_DEPTH = Gauge("queue_depth", "Jobs that the broker has: with ARQ also those that run, with Celery none taken.")
