"""What is measured: the tutorial, its twin, and the structural variants of the template with their whole stack on."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.server import Cores, Program, Server, free_port, serving
from tests import rendering, variants
from tests.shell import environment, run

# Production settings, but for a rate limit that the load does not reach.
SETTINGS = {"ENVIRONMENT": "production", "AUTH_SECRET_KEY": "benchmark" * 8, "HTTP_RATE_LIMIT": "1000000000/minute"}
PROFILE = "small"
DRIVERS = variants.choices()["db_driver"]


@dataclass(frozen=True)
class App:
    """A server program; `{port}` in the command and in the environment stands for its port."""

    name: str
    command: Sequence[str]
    cwd: Path
    scheme: str
    is_service: bool
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def database(self) -> str:
        """The name of its database."""
        return "bench_" + "".join(letter if letter.isalnum() else "_" for letter in self.name)

    def serving(self, server_url: str, cores: Cores) -> AbstractAsyncContextManager[Server]:
        """Run it on its database of this PostgreSQL."""
        port = free_port()
        url = urlsplit(server_url)._replace(scheme=self.scheme, path=self.database).geturl()
        values = {name: value.format(port=port) for name, value in self.env.items()}
        program = Program(
            command=[part.format(port=port) for part in self.command],
            cwd=self.cwd,
            env=environment(DATABASE_URL=url, **values),
            log=self.cwd / f"server-{port}.log",
        )
        return serving(program, port, "/readyz" if self.is_service else "/openapi.json", cores.server)


def services(template: Path, place: Path, label: str = "") -> list[App]:
    """Render the variants that differ in structure and install what they lock."""
    found: list[App] = []
    for structure in dict.fromkeys(variant.structure() for variant in variants.all_variants()):
        answers = dict(zip(variants.STRUCTURAL, structure, strict=True))
        name = " ".join([*structure, label]).strip()
        root = rendering.render(template, place / name.replace(" ", "-"), {**answers, "pool_profile": PROFILE})
        run("uv", "sync", "--quiet", "--no-dev", cwd=root)
        found.append(
            App(
                name,
                command=[str(root / ".venv/bin/python"), "-m", "app", "api"],
                cwd=root,
                scheme="postgresql",
                is_service=True,
                env={**SETTINGS, "HTTP_PORT": "{port}"},
            )
        )
    return found


def tutorial(name: str, template: Path, like: App, driver: str) -> App:
    """The tutorial in the environment of a service, with the driver that is there."""
    server = ["-m", "uvicorn", "benchmarks.tutorial:app", "--port", "{port}", "--no-access-log", "--log-level=warning"]
    return App(
        name,
        command=[like.command[0], *server],
        cwd=template,
        scheme=f"postgresql+{driver}",
        is_service=False,
    )
