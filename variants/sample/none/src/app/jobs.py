"""Every job of the service: what does it, and when it is done by itself.

A job is a plain function: it gets the services that the API uses, and what it was enqueued with. It may be tried more
than once, so it does nothing twice that must happen once (docs/jobs.md).
"""

from app.platform.jobs.registry import Registry, Schedule
from app.services import Services

JOBS: Registry[Services] = Registry(
    # add your own below
)

SCHEDULES: tuple[Schedule, ...] = (
    # add your own below
)
