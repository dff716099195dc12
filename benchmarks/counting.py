"""The instructions that the server executes for a request, if `benchmarks.instructions` and valgrind can count them."""

import importlib
import importlib.util
import shutil
from collections import defaultdict

from benchmarks.bench import Bench, say
from benchmarks.server import ServerError
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
    words = ""
    for app in bench.apps:
        say(f"Counting instructions of {app.name}")
        try:
            numbers = await counter.count(app, bench.people[app.schema], bench.server_url)
        except ServerError as error:
            # the other measurements are worth more than this column
            words += f"Instructions of {app.name} are not counted: {error}\n"
            continue
        for endpoint, number in numbers.items():
            counted[endpoint][app.name] = number
    return counted, words
