"""The CI pipelines of services are valid, harmless, and run nothing but targets of the Makefile."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.rendering import rendered_files
from tests.shell import attempt, environment, run
from tests.test_template_rules import targets
from tests.variants import ROOT, Variant, rendered_variants

Rendered = Callable[[Variant], Path]
Document = dict[str, Any]

PIPELINES = {
    "github": {".github/workflows/ci.yml", ".github/workflows/template.yml"},
    "gitlab": {".gitlab-ci.yml"},
    "none": set(),
}
SCHEMAS = {"github": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci"}
ONLY_MAKE = r"make (--no-print-directory )?[a-z-]+( FAIL=1| > report\.md)?|cat report\.md|apk add --no-cache make"
TARGETS = {"setup", "lint", "types", "test", "drift", "conflicts", "image", "template-check"}
WELL_KEPT = {"actions/checkout", "actions/setup-python", "actions/cache"}
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]


@pytest.fixture(params=SCHEMAS)
def provider(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def variant_of(provider: str) -> Variant:
    return next(variant for variant in rendered_variants() if variant["ci_provider"] == provider)


def documents(root: Path, provider: str) -> dict[str, Document]:
    # `on` is a boolean in YAML 1.1
    loaded = {path: yaml.safe_load((root / path).read_text()) for path in sorted(PIPELINES[provider])}
    return {path: {"on" if key is True else key: value for key, value in text.items()} for path, text in loaded.items()}


@pytest.fixture
def pipelines(provider: str, rendered: Rendered) -> dict[str, Document]:
    return documents(rendered(variant_of(provider)), provider)


@pytest.fixture
def github(rendered: Rendered) -> dict[str, Document]:
    return {Path(path).stem: text for path, text in documents(rendered(variant_of("github")), "github").items()}


@pytest.fixture
def gitlab(rendered: Rendered) -> Document:
    (document,) = documents(rendered(variant_of("gitlab")), "gitlab").values()
    return document


def commands(value: Any) -> Iterator[str]:
    """Yield all shell commands, in the syntax of any CI provider."""
    if isinstance(value, list):
        for each in value:
            yield from commands(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            lines = each if isinstance(each, list) else [each]
            yield from lines if key in {"run", "script", "before_script"} else commands(each)


@pytest.mark.parametrize("variant", rendered_variants(), ids=lambda variant: variant.id)
def test_a_service_has_the_pipelines_of_its_provider_only(variant: Variant, rendered: Rendered) -> None:
    known = set[str]().union(*PIPELINES.values())
    found = {path for path in rendered_files(rendered(variant)) if path in known or path.startswith((".git", ".ci"))}
    assert found - {".gitignore", ".gitattributes"} == PIPELINES[variant["ci_provider"]]


def test_they_are_valid(provider: str, rendered: Rendered) -> None:
    paths = [str(rendered(variant_of(provider)) / path) for path in sorted(PIPELINES[provider])]
    run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", SCHEMAS[provider], *paths, cwd=ROOT)


def called_targets(pipelines: Document) -> set[str]:
    text = "\n".join(commands(list(pipelines.values())))
    return set(re.findall(r"^ *make (?:--[a-z-]+ )*([a-z-]+)", text, re.MULTILINE))


def test_they_call_targets_that_exist(provider: str, pipelines: dict[str, Document], rendered: Rendered) -> None:
    called = called_targets(pipelines)
    assert called == TARGETS
    assert called <= targets(rendered(variant_of(provider)) / "Makefile")


def test_they_do_nothing_that_make_does_not(pipelines: dict[str, Document]) -> None:
    """A failure in CI must fail on the owner's machine too; only GitHub's issue about a new release is an exception."""
    single = [command for command in commands(list(pipelines.values())) if "\n" not in command.strip()]
    assert len(single) >= 7
    assert not [command for command in single if not re.fullmatch(ONLY_MAKE, command)]


def test_they_know_no_secret(provider: str, rendered: Rendered) -> None:
    for path in PIPELINES[provider]:
        text = (rendered(variant_of(provider)) / path).read_text()
        assert not re.search(r"secrets\.|_KEY\b(?!:)|password: \$", text), path


def test_they_take_the_lock_file_as_it_is(pipelines: dict[str, Document]) -> None:
    for path, document in pipelines.items():
        jobs = document.get("jobs", {}).values()
        given = [document.get("env", {}), document.get("variables", {}), *(job.get("env", {}) for job in jobs)]
        assert any(variables.get("UV_LOCKED") == "1" for variables in given), path


def wanted_servers() -> set[str]:
    return set(re.findall(r'"(TEST_[A-Z]+_URL)"', (ROOT / "template/tests/conftest.py").read_text()))


def test_github_gives_the_servers_that_the_tests_ask_for(github: dict[str, Document]) -> None:
    job = github["ci"]["jobs"]["test"]
    given = {name: urlsplit(url) for name, url in job["env"].items() if name.startswith("TEST_")}
    assert given.keys() == wanted_servers()
    ports = {port for service in job["services"].values() for port in service["ports"]}
    assert {f"{url.port}:{url.port}" for url in given.values()} == ports
    assert {url.hostname for url in given.values()} == {"127.0.0.1"}
    assert_is_owner(job["services"]["postgres"]["env"], given["TEST_DATABASE_URL"].netloc)


def test_gitlab_gives_the_servers_that_the_tests_ask_for(gitlab: Document) -> None:
    job = gitlab["test"]
    given = {name: urlsplit(url) for name, url in job["variables"].items() if name.startswith("TEST_")}
    assert given.keys() == wanted_servers()
    assert {url.hostname for url in given.values()} == {service["alias"] for service in job["services"]}
    assert_is_owner(job["variables"], given["TEST_DATABASE_URL"].netloc)


def assert_is_owner(variables: Document, netloc: str) -> None:
    """Check that the user is POSTGRES_USER, a superuser, so that the tests can create databases."""
    assert netloc.startswith(f"{variables['POSTGRES_USER']}:{variables['POSTGRES_PASSWORD']}@")


def test_the_tests_run_on_every_python(github: dict[str, Document], gitlab: Document) -> None:
    assert github["ci"]["jobs"]["test"]["strategy"]["matrix"]["python"] == PYTHONS
    assert gitlab["test"]["parallel"]["matrix"] == [{"PYTHON": PYTHONS}]


def test_github_may_read_and_only_the_report_may_write_an_issue(github: dict[str, Document]) -> None:
    assert all(workflow["permissions"] == {"contents": "read"} for workflow in github.values())
    jobs = {name: job for workflow in github.values() for name, job in workflow["jobs"].items()}
    more = {name: job["permissions"] for name, job in jobs.items() if "permissions" in job}
    assert more == {"release": {"contents": "read", "issues": "write"}}


def test_github_workflows_end_and_do_not_pile_up(github: dict[str, Document]) -> None:
    for workflow in github.values():
        assert workflow["concurrency"]
        assert all(job["timeout-minutes"] <= 30 for job in workflow["jobs"].values())


def test_github_uses_well_kept_actions_only(github: dict[str, Document]) -> None:
    steps = [step for workflow in github.values() for job in workflow["jobs"].values() for step in job["steps"]]
    used = [step["uses"].split("@") for step in steps if "uses" in step]
    assert {name for name, _ in used} == WELL_KEPT
    assert all(re.fullmatch(r"v\d+", version) for _, version in used)
    checkouts = [step for step in steps if step.get("uses", "").startswith("actions/checkout@")]
    assert all(step["with"] == {"persist-credentials": False} for step in checkouts)


def test_the_template_is_asked_every_week(github: dict[str, Document], gitlab: Document) -> None:
    (schedule,) = github["template"]["on"]["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", schedule["cron"])
    assert "workflow_dispatch" in github["template"]["on"]
    scheduled = {"if": '$CI_PIPELINE_SOURCE == "schedule"'}
    assert scheduled in gitlab["workflow"]["rules"]
    jobs = {name: job for name, job in gitlab.items() if isinstance(job, dict) and "script" in job}
    assert [name for name, job in jobs.items() if scheduled in job["rules"]] == ["template"]
    assert "allow_failure" not in gitlab["template"]


@pytest.mark.parametrize(
    ("report", "already_open", "created"),
    [("update available: v1 → v2", "0", 1), ("update available: v1 → v2", "1", 0), ("up to date: v2", "0", 0)],
)
def test_one_issue_is_open_at_a_time_and_only_for_a_release(
    github: dict[str, Document], tmp_path: Path, report: str, already_open: str, created: int
) -> None:
    (script,) = [text for text in commands(github["template"]) if "gh issue" in text]
    (tmp_path / "report.md").write_text(f"{report}\n")
    (tmp_path / "calls").touch()
    gh = tmp_path / "gh"
    gh.write_text(f'#!/bin/sh\necho "$@" >> calls\n[ "$2" = create ] || echo {already_open}\n')
    gh.chmod(0o755)
    variables = environment(TITLE="Template: update available")
    variables["PATH"] = f"{tmp_path}{os.pathsep}{variables['PATH']}"
    done = attempt("bash", "-e", "-c", script, cwd=tmp_path, env=variables)
    assert done.returncode == 0, done.stdout
    calls = (tmp_path / "calls").read_text()
    assert calls.count("issue create --title Template: update available --body-file report.md") == created
