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

SMALLEST = (
    *("--rounds", "1", "--seconds", "0.05", "--clients", "2", "--no-instructions"),
    *("--pools", "2+1", "--crowds", "4", "--window", "1", "--orders", "50", "--large", "100"),
)
ALL = ["tutorial", "tutorial, its twin", "asyncpg dao none", "asyncpg dao arq"]
SERVICES, WITHOUT_TWIN = ALL[2:], [name for name in ALL if name != "tutorial, its twin"]


def test_services_with_and_without_a_queue_are_measured_and_nothing_is_left(place: Path) -> None:
    """Services with and without a queue are measured, because their schemas differ."""
    scratch = place / "benchmark"
    scratch.mkdir()
    numbers = place / "benchmark.json"
    chosen = ["--only", "asyncpg", "dao", "none", "arq", "--json", str(numbers)]
    command = [sys.executable, "-m", "benchmarks", *SMALLEST, *chosen]
    done = attempt(*command, cwd=ROOT, seconds=600, env=environment(TMPDIR=str(scratch)))
    assert done.returncode == 0, done.stdout
    assert "\nThe services of this tree refused or did not answer 0 requests.\n" in done.stdout
    tables = {table["title"]: table["rows"] for each in _sections(numbers) for table in each["tables"]}
    assert {title: [row["app"] for row in rows] for title, rows in tables.items()} == {
        **{f"{endpoint.title}, 2 clients": ALL for endpoint in ENDPOINTS if not endpoint.optional},
        "GET one user by id, 4 clients on a pool of 2+1": WITHOUT_TWIN,
        "Import of 50 orders with 2 lines each": SERVICES,
        "GET one user by id, 4 clients, alone and beside an import": SERVICES,
        "The most memory of the server so far, MiB": SERVICES,
        "An idle server": WITHOUT_TWIN,
    }
    for title, rows in tables.items():
        assert f"\n{title}\n" in done.stdout
        # each number was measured; there is no failure to tell
        assert not [(title, row) for row in rows if None in [row[key] for key in row if key not in UNMEASURED]]
    assert wait_for(lambda: not processes_of(scratch), 10), processes_of(scratch)
    assert not list(scratch.iterdir())


def _sections(numbers: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(numbers.read_text())["sections"]
    assert [each["name"] for each in found] == list(SECTIONS)
    return found


async def test_clients_without_an_answer_are_counted() -> None:
    pass


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
