"""The declaration of a job: its name and its limits."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Job:
    """A kind of job: its name, the time limit of an attempt, and the number of attempts. Times are in seconds.

    The delay between attempts starts at `first_delay`, doubles up to `longest_delay`, and varies by up to half of
    itself. With the defaults, a job is tried for about two and a half hours.
    """

    name: str
    time_limit: float = 60.0
    attempts: int = 12
    first_delay: float = 5.0
    longest_delay: float = 3600.0
