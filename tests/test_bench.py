"""`make bench` with the smallest load: every measured program starts and responds. The numbers are not checked."""

import asyncio
import json
import re
import shutil
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from benchmarks import apps, counting
from benchmarks.bench import Bench
from benchmarks.load import Outcome, http, load
from benchmarks.options import SECTIONS
from benchmarks.server import Cores, ServerError
from benchmarks.workload import ENDPOINTS, READ, Person
from tests.project import processes_of, wait_for
from tests.rendering import snapshot
from tests.shell import attempt, environment
from tests.variants import ROOT, structural_variants

SMALLEST = (
    *("--rounds", "1", "--seconds", "0.05", "--clients", "2", "--no-instructions"),
    *("--pools", "2+1", "--crowds", "4", "--window", "1", "--orders", "50", "--large", "100"),
)
ALL = ["tutorial", "tutorial, its twin", "asyncpg dao none", "asyncpg dao arq"]
# what a small run may leave empty
UNMEASURED = {"failure", "kilo_instructions"}
WITHOUT_TWIN = [name for name in ALL if name != "tutorial, its twin"]
PLAIN = "asyncpg dao none"


def test_services_with_and_without_a_queue_are_measured_and_nothing_is_left(place: Path) -> None:
    """Services with and without a queue are measured, because their schemas differ."""
    scratch = place / "benchmark"
    scratch.mkdir()
    numbers = place / "benchmark.json"
    chosen = ["--only", "asyncpg", "dao", "none", "arq", "--json", str(numbers)]
    command = [sys.executable, "-m", "benchmarks", *SMALLEST, *chosen]
    done = attempt(*command, cwd=ROOT, seconds=900, env=environment(TMPDIR=str(scratch)))
    assert done.returncode == 0, done.stdout
    assert "\nThe services of this tree refused or did not answer 0 requests.\n" in done.stdout
    tables = {table["title"]: table["rows"] for each in _sections(numbers) for table in each["tables"]}
    assert {title: [row["app"] for row in rows] for title, rows in tables.items()} == {
        **{f"{endpoint.title}, 2 clients": ALL for endpoint in ENDPOINTS},
        "GET one user by id, 4 clients on a pool of 2+1": ["tutorial", PLAIN],
        "Import of 50 orders with 2 lines each": [PLAIN],
        "GET one user by id, 4 clients, alone and beside an import": [PLAIN],
        "The most memory of the server so far, MiB": [PLAIN],
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


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]


def test_each_answer_in_pieces_is_one_answer() -> None:
    async def in_pieces(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            for piece in (OK[:20], OK[20:-1], OK[-1:]):
                writer.write(piece)
                await asyncio.sleep(0.001)

    outcome = _outcome(in_pieces, requests=10)
    assert (len(outcome.latencies), outcome.failed, outcome.starved) == (10, 0, 0)


def test_what_was_not_answered_or_refused_counts_and_no_longer_wait_is_hidden() -> None:
    """The first client is answered once, the second is refused once, the third loses its connection."""

    async def once_each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if number < 2:
            writer.write((OK, BUSY)[number])
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(10)
        writer.close()

    outcome = _outcome(once_each, seconds=0.2)
    assert (len(outcome.latencies), outcome.refused, outcome.unanswered, outcome.starved) == (1, 1, 3, 2)
    assert max(outcome.waits) > 0.1


def test_a_client_without_a_server_is_unanswered() -> None:
    async def refused() -> Outcome:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        return await load(port, http("GET", "/"), connections=2, seconds=0.1)

    outcome = asyncio.run(refused())
    assert (outcome.unanswered, outcome.starved) == (2, 2)


def _outcome(serve: Serve, requests: float = 1000, seconds: float = 5) -> Outcome:
    """Send requests of three clients to a server, which gets the number of each connection."""
    numbers = iter(range(3))

    async def numbered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await serve(reader, writer, next(numbers))
        finally:
            writer.close()

    async def sent() -> Outcome:
        server = await asyncio.start_server(numbered, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            return await load(port, http("GET", "/"), requests, connections=3, seconds=seconds, grace=0)
        finally:
            server.close()

    return asyncio.run(sent())


@pytest.mark.parametrize(
    ("has_valgrind", "answers", "said"),
    [(True, True, ""), (False, True, "valgrind is missing"), (True, False, "too slow")],
)
def test_instructions_are_a_column_if_they_can_be_counted(
    *, has_valgrind: bool, answers: bool, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = ModuleType(counting.COUNTER)
    counter.__spec__ = ModuleSpec(counting.COUNTER, None)

    async def count(app: apps.App, people: object, server_url: str) -> dict[object, float]:
        if not answers:
            message = "too slow"
            raise ServerError(message)
        return {READ: float(len(app.name))} if people and server_url else {}

    monkeypatch.setattr(counter, "count", count, raising=False)
    monkeypatch.setitem(sys.modules, counting.COUNTER, counter)
    monkeypatch.setattr(shutil, "which", lambda _: "valgrind" if has_valgrind else None)
    app = apps.App("tutorial", [], ROOT, "asyncpg", "", apps.Kind.TUTORIAL, "benchmarks.tutorial")
    bench = Bench([app], {"": (Person("1"), Person("2"))}, "postgresql://", ROOT, Cores(), rounds=1, seconds=1)
    numbers, words = asyncio.run(counting.instructions(bench))
    assert numbers == ({} if said else {READ: {"tutorial": 8}})
    assert said in words
    assert bool(words) is bool(said)


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
