"""The instructions that the server executes for a request, if `benchmarks.instructions` and valgrind can count them."""

import importlib
import importlib.util
import shutil
from collections import defaultdict

from benchmarks.bench import Bench, say
from benchmarks.workload import Endpoint

COUNTER = "benchmarks.instructions"
Numbers = dict[Endpoint, dict[str, float]]


async def instructions(bench: Bench) -> tuple[Numbers, str]:
    """Return the thousands of instructions by endpoint and app, and a sentence for the report if there are none."""
    if importlib.util.find_spec(COUNTER) is None:
        return {}, ""
    if shutil.which("valgrind") is None:
        return {}, "Instructions are not counted: valgrind is missing (Debian's package has this name).\n"
    counter = importlib.import_module(COUNTER)
    counted: Numbers = defaultdict(dict)
    for app in bench.apps:
        say(f"Counting instructions of {app.name}")
        for endpoint, number in (await counter.count(app, bench.people[app.schema], bench.server_url)).items():
            counted[endpoint][app.name] = number
    return counted, ""
