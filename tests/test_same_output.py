"""A release renders the same files as the one before it, except the changes listed here: a new question adds none."""

import re
from pathlib import Path

import pytest

from tests.life import HERE, Rendered
from tests.releases import offered, past_releases
from tests.rendering import render, rendered_files
from tests.variants import Choices, Variant, all_variants, choices, questions, structural_variants

# The intended differences of each release from the one before it, for answers that both know: patterns for whole paths,
# without the answers file. Add a pattern together with the change, and mention it under "For existing projects".
CHANGES: dict[str, tuple[str, ...]] = {
    "v0.3.0": (),
    "v0.3.1": (
        r"(README|docs/\w+)\.md",
        r"pyproject\.toml|migrations/env\.py",
        r"src/app/(__main__|config|context|idempotency|json_errors|metrics|multiprocess|proxies)\.py",
        r"src/app/(rate_limits|schemas|security|strict_json)\.py",
        r"src/app/(api|auth|db|middleware|tasks|users)/(\w+/)?\w+\.py",
        r"tests/.*\.py",
    ),
    "v0.4.0": (
        # files moved into rooms of their own, and the platform's suite left
        r"src/app/.*|tests/.*",
        r"dev/(template/)?\w+\.py",
        r"migrations/(env|\w+/\w+)\.py",
        r"(README|CONTRIBUTING|AGENTS)\.md|docs/([\w-]+|adr/[\w-]+)\.md",
        r"Makefile|pyproject\.toml|\.gitignore|\.env\.example",
        # Python 3.14
        r"\.github/workflows/ci\.yml|\.gitlab-ci\.yml",
    ),
    "v0.5.0": (
        r"(README|CONTRIBUTING|AGENTS)\.md|docs/([\w-]+|adr/[\w-]+)\.md",
        r"Makefile|pyproject\.toml|alembic\.ini|\.env\.example|\.gitattributes|\.pre-commit-config\.yaml",
        r"dev/(template/)?\w+\.py",
        r"migrations/env\.py",
        r"src/app/\w+\.py|src/app/(features|platform)/.*\.py|src/app/platform/README\.md",
        r"tests/.*\.(py|toml)",
    ),
    "v0.6.0": (
        r"(README|CONTRIBUTING|AGENTS)\.md|docs/([\w-]+|adr/[\w-]+)\.md",
        r"Makefile|pyproject\.toml|\.env\.example|migrations/env\.py",
        r"dev/(template/)?\w+\.py",
        r"src/app/\w+\.py|src/app/(features|platform)/.*\.py|src/app/platform/README\.md",
        r"tests/.*\.(py|toml)",
    ),
    "v0.7.0": (
        r"(README|AGENTS)\.md|docs/([\w-]+|adr/[\w-]+)\.md",
        r"Makefile|pyproject\.toml|\.env\.example|src/app/platform/.*\.(py|md)",
        # ETags of the sample
        r"src/app/features/orders/routes\.py|tests/api/test_orders\.py",
        # the image, what starts it, and the job of the pipelines that builds it
        r"Dockerfile|\.dockerignore|compose\.yaml",
        # alerts and dashboards, units of systemd
        r"deploy/(observability|systemd)/.*",
        r"\.github/workflows/ci\.yml|\.gitlab-ci\.yml",
        # settings of the tests' databases read no environment
        r"tests/support/databases\.py",
        # the load test
        r"pyproject\.toml|dev/load/\w+\.py|tests/make_load/(__init__|journey)\.py|tests/make_load/thresholds\.toml",
    ),
    "v0.7.1": (
        r"README\.md|docs/([\w-]+|adr/[\w-]+)\.md|Makefile|src/app/platform/.*\.py",
        # what tests inherit from the shell
        r"tests/support/(databases|server)\.py|tests/drift\.py|tests/fuzz/__main__\.py",
        # what an update says
        r"dev/template/\w+\.py",
        # directories of migrations, one a line
        r"alembic\.ini",
        # a test that failed where two deadlocks followed each other
        r"tests/features/orders/test_service\.py",
        # a Redis for caches that are on
        r"dev/services\.py|dev/load/target\.py",
        # what is said of a `.env` that cannot be read
        r"dev/env_file\.py",
        # the daily clean-up
        r"deploy/kubernetes/base/(kustomization|prune)\.yaml",
    ),
    "v0.8.0": (
        r"docs/([\w-]+|adr/[\w-]+)\.md|Makefile|compose\.yaml",
        r"dev/(load/)?\w+\.py|src/app/platform/.*\.py",
        # the cached summary of the sample
        r"src/app/services\.py|src/app/features/(orders|payments)/(dao|repository|service|summaries)\.py",
        r"tests/features/orders/(baskets|test_summary_cache)\.py|tests/features/payments/test_unpaid_summaries\.py",
        # the import of orders, which makes the next rows while PostgreSQL stores the last ones
        r"src/app/features/orders/rows\.py",
    ),
    "v0.8.1": (
        r"docs/([\w-]+|adr/[\w-]+)\.md|src/app/platform/.*\.(py|md)",
        # `prune` deletes keys hour by hour
        r"src/app/__main__\.py",
        # what a test has configured of the log ends with it
        r"tests/conftest\.py",
        # what an update merges and says
        r"dev/template/\w+\.py|tests/api/test_openapi\.py",
        # a refused payment leaves the cached summary
        r"src/app/features/orders/(service|summaries)\.py|tests/features/orders/test_summary_cache\.py",
        # the settings of tests with the cache, which are in one place
        r"tests/features/orders/baskets\.py|tests/features/payments/test_unpaid_summaries\.py|tests/support/caches\.py",
    ),
}

ANSWERS = ".copier-answers.yml"
LAST = past_releases()[-1]


def variants() -> tuple[Variant, ...]:
    """Return a variant of the last release for each structure, with answers that still exist."""
    before, now = offered(LAST), choices()
    both: Choices = {name: tuple(each for each in before[name] if each in now[name]) for name in before if name in now}
    return structural_variants(both)


@pytest.mark.parametrize("variant", variants(), ids=lambda variant: variant.id)
def test_defaults_render_what_the_last_release_did(
    variant: Variant, template: Path, tmp_path: Path, rendered: Rendered
) -> None:
    before = rendered_files(render(template, tmp_path / "service", dict(variant.answers), ref=LAST.tag))
    now = rendered_files(rendered(with_defaults(variant)))
    changed = {path for path in before.keys() | now.keys() if before.get(path) != now.get(path)} - {ANSWERS}
    on_purpose = re.compile("|".join(f"({pattern})" for pattern in CHANGES.get(HERE, ())) or r"(?!)")
    assert not sorted(path for path in changed if not on_purpose.fullmatch(path))
    new = now[ANSWERS].decode().splitlines()
    assert [line for line in before[ANSWERS].decode().splitlines() if line not in new] == [f"_commit: {LAST.tag}"]


def with_defaults(variant: Variant) -> Variant:
    """Return the variant that a project becomes when new questions get their defaults."""
    given = dict(variant.answers)
    answers = {name: given.get(name, questions()[name]["default"]) for name in choices()}
    return next(each for each in all_variants() if dict(each.answers) == answers)
