"""The section `start`: the seconds until an app is ready, those to import it, and the memory of an idle server."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.apps import App
from benchmarks.bench import BASELINE, Bench, say
from benchmarks.report import Cell, Column, Section, Table, middle
from benchmarks.server import pinned
from tests.shell import run

# uvicorn too, which some apps import only when they serve
IMPORT = """
import sys, time
started = time.perf_counter()
import uvicorn, {module}
print(time.perf_counter() - started, len(sys.modules))
"""
NO_PORT = 0
COLUMNS = (
    Column("memory_mib", "MiB when ready", 1),
    Column("memory_ratio", "ratio", 2),
    Column("ready_seconds", "s until ready", 2),
    Column("ready_ratio", "ratio", 2),
    Column("import_seconds", "s to import", 2),
    Column("modules", "modules"),
)


@dataclass(frozen=True)
class Start:
    """One start of an app."""

    memory_mib: float | None
    ready_seconds: float
    import_seconds: float
    modules: int


async def measure(bench: Bench) -> Section:
    """Start each app alone, once a round."""
    starts: dict[str, list[Start]] = {app.name: [] for app in bench.apps}
    for number in range(bench.rounds):
        say(f"Start, round {number + 1} of {bench.rounds}")
        for app in bench.in_turn(number):
            starts[app.name].append(await _start(bench, app))
    rows = [_row(name, own, starts[BASELINE]) for name, own in starts.items()]
    note = f"Medians of all rounds. ratio: {BASELINE} = 1.00, less is better. Byte code is there already."
    return Section("start", note, [Table("An idle server", COLUMNS, rows)])


async def _start(bench: Bench, app: App) -> Start:
    env = app.variables(bench.server_url, NO_PORT)
    with pinned(bench.cores.server):
        said = run(app.command[0], "-c", IMPORT.format(module=app.module), cwd=app.cwd, env=env)
    seconds, modules = said.split()[-2:]
    async with app.serving(bench.server_url, bench.cores) as server:
        return Start(server.memory_mib(), server.start_seconds, float(seconds), int(modules))


def _row(name: str, own: Sequence[Start], reference: Sequence[Start]) -> dict[str, Cell]:
    memory = [
        each.memory_mib / other.memory_mib
        for each, other in zip(own, reference, strict=True)
        if each.memory_mib and other.memory_mib
    ]
    return {
        "app": name,
        "memory_mib": middle(each.memory_mib for each in own),
        "memory_ratio": middle(memory),
        "ready_seconds": middle(each.ready_seconds for each in own),
        "ready_ratio": middle(
            each.ready_seconds / other.ready_seconds for each, other in zip(own, reference, strict=True)
        ),
        "import_seconds": middle(each.import_seconds for each in own),
        "modules": own[-1].modules,
    }
