"""The apps to measure: the tutorial, its twin, and structural variants of the template with everything enabled."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from benchmarks.server import Cores, Program, Server, free_port, serving
from tests import recipes, rendering, variants
from tests.shell import environment, run

# Production settings, with a rate limit that the load does not reach, and tokens that outlive a round.
SETTINGS = {
    "ENVIRONMENT": "production",
    "AUTH_SECRET_KEY": "benchmark" * 8,
    "AUTH_ACCESS_TOKEN_TTL": "86400",
    "HTTP_RATE_LIMIT": "1000000000/minute",
    "HTTP_DRAIN_SECONDS": "0",
}
PROFILE = "small"
DRIVER, STYLE, QUEUE, NO_QUEUE = "db_driver", "data_access", "task_queue", "none"
# the section that makes a route which FastAPI adds little to
TUNING, HOT_READ = "docs/tuning.md", "A read that is asked all the time"
# the questions that tell the variants apart
STRUCTURES = {question: variants.choices()[question] for question in variants.STRUCTURAL}


class Kind(StrEnum):
    """The kinds of apps, which differ in their routes."""

    SERVICE = "service"
    TUTORIAL = "tutorial"
    PEER = "peer"


PROBES = {Kind.SERVICE: "/readyz", Kind.TUTORIAL: "/openapi.json", Kind.PEER: "/api/health"}


@dataclass(frozen=True)
class App:
    """A server program; `{port}` in the command and in the environment stands for its port.

    In the environment, `{url}` stands for the parts of the database's URL, and `{database}` for its name.

    Apps with the same `schema` begin with copies of one database. `tree` is the label of the tree that a service is
    rendered from, empty for this one, and `style` its data access. Importing `module` imports the whole app.
    """

    name: str
    command: Sequence[str]
    cwd: Path
    driver: str
    schema: str
    kind: Kind
    module: str
    env: Mapping[str, str] = field(default_factory=dict)
    tree: str = ""
    style: str = ""
    has_queue: bool = False

    @property
    def database(self) -> str:
        """The name of the app's database."""
        return "bench_" + "".join(letter if letter.isalnum() else "_" for letter in self.name)

    @property
    def is_service(self) -> bool:
        """Whether the template rendered it."""
        return self.kind is Kind.SERVICE

    def variables(self, server_url: str, port: int, **more: str) -> dict[str, str]:
        """Return the environment of the app, with its database of this PostgreSQL."""
        # a service adds the driver to the URL itself
        scheme = "postgresql" if self.is_service else f"postgresql+{self.driver}"
        url = urlsplit(server_url)._replace(scheme=scheme, path=self.database)
        values = {name: value.format(port=port, url=url, database=self.database) for name, value in self.env.items()}
        return environment(**{"DATABASE_URL": url.geturl(), **values, **more})

    def serving(self, server_url: str, cores: Cores, **more: str) -> AbstractAsyncContextManager[Server]:
        """Run the app on its database of this PostgreSQL, with more variables in its environment."""
        port = free_port()
        program = Program(
            command=[part.format(port=port) for part in self.command],
            cwd=self.cwd,
            env=self.variables(server_url, port, **more),
            log=self.cwd / f"server-{port}.log",
        )
        return serving(program, port, PROBES[self.kind], cores.server)


def structures(template: Path, only: Collection[str] = ()) -> list[dict[str, str]]:
    """Return the structures of a tree that have the named answers.

    Structures with a queue are included only if a queue is named, because no measured request enqueues a job.
    """
    offered = variants.choices_in(yaml.safe_load((template / "copier.yml").read_text()))
    named = {question: set(only).intersection(answers) for question, answers in STRUCTURES.items()}
    named[QUEUE] = named[QUEUE] or {NO_QUEUE}
    found = [
        {question: answer for question, answer in variant.answers if question in STRUCTURES}
        for variant in variants.structural_variants(offered)
    ]
    return [
        structure
        for structure in found
        if all(not named[question] or answer in named[question] for question, answer in structure.items())
    ]


def service(template: Path, place: Path, structure: Mapping[str, str], label: str = "") -> App:
    """Render a structure and install its locked dependencies; the label tells the trees apart."""
    name = " ".join([*structure.values(), label]).strip()
    root = rendering.render(template, place / name.replace(" ", "-"), {**structure, "pool_profile": PROFILE})
    if HOT_READ in recipes.titles((root / TUNING).read_text()):
        recipes.perform(root, TUNING, HOT_READ)
    # uv leaves its locks in the temporary directory
    run("uv", "sync", "--quiet", "--no-dev", cwd=root, env=environment(TMPDIR=str(place)))
    has_queue = structure.get(QUEUE, NO_QUEUE) != NO_QUEUE
    return App(
        name,
        command=[str(root / ".venv/bin/python"), "-m", "app", "api"],
        cwd=root,
        driver=structure[DRIVER],
        # jobs have tables of their own; no broker is needed, because no measured request enqueues a job
        schema=f"{label} with jobs" if has_queue else label,
        kind=Kind.SERVICE,
        module="app.main",
        env={**SETTINGS, "HTTP_PORT": "{port}"},
        tree=label,
        style=structure.get(STYLE, ""),
        has_queue=has_queue,
    )


def tutorial(name: str, template: Path, driver: str, environment_of: App, schema: str) -> App:
    """Return the tutorial, to be run in the environment of a service that has the driver."""
    server = ["-m", "uvicorn", "benchmarks.tutorial:app", "--port", "{port}", "--no-access-log", "--log-level=warning"]
    return App(
        name,
        command=[environment_of.command[0], *server],
        cwd=template,
        driver=driver,
        schema=schema,
        kind=Kind.TUTORIAL,
        module="benchmarks.tutorial",
    )
