"""The metrics of the workers, in addition to those of `app/platform/metrics.py`."""

from prometheus_client import Counter, Gauge, Histogram

JOB_SECONDS = Histogram(
    "job_duration_seconds",
    "Duration of attempts, by outcome: done, retried, dead, given_back, overruled (superseded by another attempt).",
    ["job", "outcome"],
)
JOB_DELAY_SECONDS = Histogram(
    "job_start_delay_seconds",
    "Time from the transaction that enqueued a job to the start of its first attempt.",
    ["job"],
)
UNREADABLE_DELIVERIES = Counter(
    "job_deliveries_unreadable_total", "Messages that this worker discarded, because this service did not write them."
)
SCHEDULES_FIRED = Counter("job_schedules_fired_total", "Times that this worker fired a schedule.", ["job"])
# `job` is a label that Prometheus sets itself
SCHEDULE_OVERDUE_SECONDS = Gauge(
    "job_schedule_overdue_seconds", "Time since a schedule was due and was not fired; usually 0.", ["schedule"]
)
OUTBOX_JOBS = Gauge("outbox_jobs", "Unfinished jobs, by state: waiting, handed_over, running.", ["state"])
OUTBOX_OLDEST_SECONDS = Gauge("outbox_oldest_seconds", "Age of the oldest job that was never attempted.")
DEAD_LETTERS = Gauge("dead_jobs", "Dead letters: jobs that gave up.")
QUEUE_DEPTH = Gauge("queue_depth", "Jobs at the broker; with ARQ these include running jobs.")
