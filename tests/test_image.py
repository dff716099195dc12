"""The Dockerfile and compose.yaml are linted, valid and harmless.

tests/test_variants_run.py builds and runs the image.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.image import Step, context, in_context, steps
from tests.pools import POOLS, RESERVED, of_a_process, of_a_worker
from tests.rendering import rendered_files
from tests.shell import run
from tests.variants import ROOT, Variant, bare_variants, rendered_variants

Rendered = Callable[[Variant], Path]
Document = dict[str, Any]

DOCKERFILE = ROOT / "template/Dockerfile"
# time in which a process ends after its last request, in seconds
MARGIN = 10
QUEUES = list({each["task_queue"]: each for each in bare_variants()}.values())
POOLED = list(
    {
        (each["task_queue"], each["pool_profile"]): each
        for each in rendered_variants()
        if each["pool_profile"] in POOLS
    }.values()
)
SERVERS = {"postgres", "valkey"}

every_queue = pytest.mark.parametrize("variant", QUEUES, ids=lambda variant: str(variant["task_queue"]))


def last_stage() -> list[Step]:
    found = steps(DOCKERFILE.read_text())
    return found[max(number for number, step in enumerate(found) if step.word == "FROM") :]


def compose(root: Path) -> Document:
    loaded: Document = yaml.safe_load((root / "compose.yaml").read_text())
    return loaded


def seconds(duration: str) -> int:
    return int(duration.removesuffix("s"))


# the image


def test_the_dockerfile_has_no_findings_of_hadolint() -> None:
    run(str(Path(sys.executable).with_name("hadolint")), "--no-color", str(DOCKERFILE), cwd=ROOT)


def test_the_image_adds_nothing_to_its_base_but_the_environment() -> None:
    stage = last_stage()
    assert [step.text for step in stage if step.word in {"COPY", "ADD", "RUN"}] == [
        "--from=build /srv/environment /srv/environment"
    ]
    bases = {step.text.partition(" AS ")[0] for step in steps(DOCKERFILE.read_text()) if step.word == "FROM"}
    assert bases == {"${BASE}"}, "byte code and the interpreter's path are those of the first stage"
    words = [step.word for step in stage]
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", next(step.text for step in stage if step.word == "USER"))


def test_the_base_is_a_slim_one_with_a_version() -> None:
    base, group = [step.text for step in steps(DOCKERFILE.read_text()) if step.word == "ARG"]
    assert re.fullmatch(r"BASE=[\w./]+/python:3\.\d+-slim", base)
    # by default the image has no optional libraries
    assert group == "GROUP="


def test_uv_is_the_one_that_is_tested_here() -> None:
    (pinned,) = re.findall(r"^uv==(.+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert re.findall(r"\buv==(\S+)", DOCKERFILE.read_text()) == [pinned]


def test_the_build_reads_what_it_copies_and_nothing_else(rendered: Rendered, tmp_path: Path) -> None:
    project = tmp_path / "service"
    for path, content in rendered_files(rendered(QUEUES[0])).items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_bytes(content)
    for extra in ("uv.lock", ".env", ".venv/x.py", "src/app/.env", "src/app/__pycache__/x.pyc", "notes/src/x.py"):
        (project / extra).parent.mkdir(parents=True, exist_ok=True)
        (project / extra).touch()
    copied = {name for step in steps(DOCKERFILE.read_text()) if step.word == "COPY" for name in step.text.split()[:-1]}
    sent = context(project)
    assert {name.partition("/")[0] for name in sent} == copied - {"--from=build", "/srv/environment"}
    assert not [name for name in sent if "__pycache__" in name or name.endswith(".env")]


@pytest.mark.parametrize(
    ("path", "kept"), [("src/app/x.py", True), ("x", False), ("a/src/x", False), ("src/a/b.pyc", False)]
)
def test_ignored_paths_are_read_as_docker_does(path: str, kept: bool) -> None:
    assert in_context(path, ["*", "!src", "**/*.py[co]"]) is kept


# compose.yaml


@every_queue
def test_compose_is_valid(variant: Variant, rendered: Rendered) -> None:
    path = str(rendered(variant) / "compose.yaml")
    run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", path, cwd=ROOT)


@every_queue
def test_compose_starts_the_processes_of_the_service_in_order(variant: Variant, rendered: Rendered) -> None:
    services = compose(rendered(variant))["services"]
    own = {name: each["command"] for name, each in services.items() if name not in SERVERS}
    worker = {"worker"} if variant["task_queue"] != "none" else set()
    assert own == {name: [name] for name in {"migrate", "api"} | worker}
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in own.keys() - {"migrate"}:
        assert services[name]["depends_on"] == {
            "migrate": {"condition": "service_completed_successfully"},
            "postgres": {"condition": "service_healthy"},
            "valkey": {"condition": "service_healthy"},
        }
        # after the end of the migration, which is no failure
        assert services[name]["restart"] != services["migrate"]["restart"] == "no"


@every_queue
def test_compose_gives_processes_no_rights_and_time_to_stop(variant: Variant, rendered: Rendered) -> None:
    services = compose(rendered(variant))["services"]
    for name in services.keys() - SERVERS:
        each = services[name]
        assert (each["read_only"], each["cap_drop"], each["volumes"]) == (True, ["ALL"], ["/tmp"])  # noqa: S108
        assert each["security_opt"] == ["no-new-privileges:true"]
        given = each["environment"]
        needed = max(
            int(given["HTTP_DRAIN_SECONDS"]) + int(given["HTTP_SHUTDOWN_TIMEOUT"]),
            int(given.get("TASKS_SHUTDOWN_TIMEOUT", "0")),
        )
        assert seconds(each["stop_grace_period"]) >= needed + MARGIN
        # without these limits an engine keeps every log line for ever
        assert each["logging"]["options"].keys() == {"max-size", "max-file"}


@every_queue
def test_health_checks_ask_the_ports_that_are_listened_on(variant: Variant, rendered: Rendered) -> None:
    services = compose(rendered(variant))["services"]
    asked = {name: each["healthcheck"].get("test", []) for name, each in services.items() if name not in SERVERS}
    command = ["CMD", "python", "-m", "app.platform.healthcheck", "/readyz"]
    worker = {} if variant["task_queue"] == "none" else {"worker": [*command, "8001"]}
    assert asked == {"migrate": [], "api": command, **worker}
    assert services["api"]["environment"]["HTTP_PORT"] == "8000"
    if worker:
        assert services["worker"]["environment"]["TASKS_METRICS_PORT"] == "8001"


@every_queue
def test_compose_holds_no_secret_and_publishes_no_server(variant: Variant, rendered: Rendered) -> None:
    services = compose(rendered(variant))["services"]
    given = [(name, value) for each in services.values() for name, value in each.get("environment", {}).items()]
    assert all(value.startswith("${POSTGRES_PASSWORD:?") for name, value in given if "PASSWORD" in name)
    assert not [name for name, _ in given if "SECRET" in name]
    published = {name: each["ports"] for name, each in services.items() if "ports" in each}
    assert published == {"api": ["127.0.0.1:${API_PORT:-8000}:8000"]}
    assert "POSTGRES_PASSWORD=<random>" in (rendered(variant) / ".env.example").read_text().splitlines()


@pytest.mark.parametrize("variant", POOLED, ids=lambda variant: variant.id)
def test_all_connections_fit_into_the_database_of_compose(variant: Variant, rendered: Rendered) -> None:
    profile, queue = variant["pool_profile"], variant["task_queue"]
    total = of_a_process(profile) + (of_a_worker(profile, queue) if queue != "none" else 0)
    # one connection each: a migration (or the daily command), and a command run by hand
    commands = 2
    (most,) = re.findall(r"^max_connections=(\d+)$", compose(rendered(variant))["services"]["postgres"]["command"][-1])
    assert total + commands <= int(most) - RESERVED


def test_images_have_full_names_and_versions(rendered: Rendered) -> None:
    """Podman guesses no registry."""
    services = compose(rendered(QUEUES[0]))["services"]
    assert all(re.fullmatch(r"[a-z.]+/[\w/]+:\d+", services[name]["image"]) for name in SERVERS)


def test_every_variant_has_the_same_image() -> None:
    """So that it is enough to run it with each queue on each driver."""
    assert not list((ROOT / "variants").rglob("Dockerfile"))
    assert not DOCKERFILE.with_name("Dockerfile.jinja").exists()
    assert {each["with_kubernetes"] for each in rendered_variants()} == {"yes", "no"}
