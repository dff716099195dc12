"""The subjects to measure: for each queue, the service with production settings, and the library alone."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.jobs.client import NOTES, Findings, Plan
from benchmarks.server import Program
from tests import rendering
from tests.shell import environment, run

SETTINGS = {"ENVIRONMENT": "production", "AUTH_SECRET_KEY": "benchmark" * 8, "LOG_LEVEL": "WARNING"}


@dataclass(frozen=True)
class Subject:
    """A program that runs jobs: a module in this package that can run as the worker and as the client."""

    name: str
    module: str
    worker_arguments: tuple[str, ...] = ()


SERVICE = Subject("the service", "service")


@dataclass(frozen=True)
class Queue:
    """An answer to `task_queue`, the default number of concurrent jobs of a worker, and its library alone.

    The service is compared with the first of `alone`.
    """

    answer: str
    concurrency: int
    alone: tuple[Subject, ...]

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """All subjects of this queue."""
        return (SERVICE, *self.alone)


QUEUES = (
    Queue(
        "arq",
        concurrency=10,
        alone=(
            Subject("ARQ alone, no results kept", "bare_arq", ("0",)),
            Subject("ARQ alone, results kept", "bare_arq", ("3600",)),
        ),
    ),
    Queue("celery", concurrency=2, alone=(Subject("Celery alone", "bare_celery"),)),
)


@dataclass(frozen=True)
class Place:
    """An installed service, the variables for its servers, and this repository, whose programs run beside it."""

    service: Path
    repository: Path
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def python(self) -> str:
        """The service's interpreter."""
        return str(self.service / ".venv/bin/python")

    def migrate(self) -> None:
        """Create the service's tables."""
        run(self.python, "-m", "app", "migrate", cwd=self.service, env=environment(**self.env))

    def _command(self, subject: Subject, *arguments: str) -> list[str]:
        """Return the command line of the subject."""
        return [self.python, "-m", f"benchmarks.jobs.{subject.module}", *arguments]

    def worker(self, subject: Subject, notes: Path, **variables: str) -> Program:
        """Return the subject's worker."""
        return Program(
            self._command(subject, "worker", *subject.worker_arguments),
            cwd=self.repository,
            env=environment(**{**self.env, **variables, NOTES: str(notes)}),
            log=notes.with_suffix(".log"),
            talks=True,
        )

    def run_client(self, subject: Subject, notes: Path, plan: Plan) -> Findings:
        """Run the subject's client, and return its findings."""
        env = environment(**{**self.env, NOTES: str(notes)})
        client = self._command(subject, "client", json.dumps(asdict(plan)))
        return Findings(**json.loads(run(*client, cwd=self.repository, env=env).splitlines()[-1]))


def installed(queue: Queue, template: Path, target: Path, driver: str) -> Path:
    """Render a service with this queue and install its locked dependencies."""
    root = rendering.render(template, target, {"task_queue": queue.answer, "db_driver": driver})
    # uv leaves its locks in the temporary directory
    run("uv", "sync", "--quiet", "--no-dev", cwd=root, env=environment(TMPDIR=str(target.parent)))
    return root


def given(queue: Queue, database_url: str, redis_url: str) -> dict[str, str]:
    """Return the variables for all processes of a queue; the worker's metrics use any free port."""
    return SETTINGS | {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "TASKS_CONCURRENCY": str(queue.concurrency),
        "TASKS_METRICS_PORT": "0",
    }
