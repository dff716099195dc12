"""The jobs and schedules of the service.

A job is an async function. It gets the services that the API uses, and the arguments of `enqueue`. It may be attempted
more than once, so its effects must be safe to repeat (docs/jobs.md).
"""

from app.platform.jobs.registry import Handler, Registry, Schedule
from app.services import Services

# add the functions of your jobs below


JOBS: Registry[Services] = Registry(
    # add your own below
)

SCHEDULES: tuple[Schedule, ...] = (
    # add your own below
)
