"""`make bench` with the smallest load: every measured program starts and responds. The numbers are not checked."""

import re
import sys
from pathlib import Path

from benchmarks import apps
from benchmarks.workload import ENDPOINTS
from tests.project import processes_of, wait_for
from tests.rendering import snapshot
from tests.shell import attempt, environment
from tests.variants import ROOT, structural_variants

SMALLEST = ("--rounds", "1", "--seconds", "0.05", "--connections", "2")


def test_services_with_and_without_a_queue_are_measured_and_nothing_is_left(place: Path) -> None:
    """Services with and without a queue are measured, because their schemas differ."""
    scratch = place / "benchmark"
    scratch.mkdir()
    command = [sys.executable, "-m", "benchmarks", *SMALLEST, "--only", "asyncpg", "dao", "none", "arq"]
    done = attempt(*command, cwd=ROOT, seconds=600, env=environment(TMPDIR=str(scratch)))
    assert done.returncode == 0, done.stdout
    assert "\n0 requests were refused or not answered.\n" in done.stdout
    _, *tables = re.split(rf"^({'|'.join(endpoint.title for endpoint in ENDPOINTS)})$", done.stdout, flags=re.MULTILINE)
    assert tables[::2] == [endpoint.title for endpoint in ENDPOINTS]
    for table in tables[1::2]:
        assert re.findall(r"^  (\w.*?) {2,}\d", table, re.MULTILINE) == [
            "tutorial",
            "tutorial, its twin",
            "asyncpg dao none",
            "asyncpg dao arq",
        ]
    assert wait_for(lambda: not processes_of(scratch), 10), processes_of(scratch)
    assert not list(scratch.iterdir())


def test_without_a_word_each_structure_without_a_queue_is_measured() -> None:
    chosen = [tuple(structure.values()) for structure in apps.structures(ROOT)]
    assert chosen == [each.structure() for each in structural_variants() if each["task_queue"] == "none"]


def test_a_structure_is_chosen_by_its_answers() -> None:
    assert [tuple(each.values()) for each in apps.structures(ROOT, ["psycopg", "celery", "arq"])] == [
        ("psycopg", style, queue) for style in ("repository", "dao") for queue in ("arq", "celery")
    ]


def test_another_tree_is_measured_with_the_answers_it_offers(tmp_path: Path) -> None:
    """A release without the question counts as a service without a queue."""
    other = snapshot(tmp_path / "other")
    manifest = (other / "copier.yml").read_text()
    shortened = re.sub(r"^task_queue:\n(?:[ \n].*\n|\n)*", "", manifest, flags=re.MULTILINE)
    assert shortened != manifest
    (other / "copier.yml").write_text(shortened)
    assert [tuple(each.values()) for each in apps.structures(other, ["psycopg"])] == [
        ("psycopg", "repository"),
        ("psycopg", "dao"),
    ]
