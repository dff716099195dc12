"""Runs the load generator, and watches the service meanwhile."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

from dev.load.metrics import Watch
from dev.load.plan import Ramp
from dev.load.processor import Cores
from dev.load.results import Run, Step, in_words
from dev.load.target import ROOT, Target
from dev.process import tail

# what the generator needs to start, and to end when it is asked to
MARGIN_SECONDS = 30.0
LOOK_SECONDS = 0.2

Show = Callable[[str], None]


def measure(target: Target, ramp: Ramp, run: Run, log: Path, show: Show) -> None:
    """Run all steps, and add their results to `run`; what ends the test early becomes its problem.

    Args:
        target: the service.
        ramp: the steps.
        run: gets the results, so that those of a test that ends early are there.
        log: gets what the generator complains about.
        show: prints a line.
    """
    with _generator(target.url, ramp, log) as process:
        said = _lines(process)
        if not _next(said, time.monotonic() + MARGIN_SECONDS):
            run.problem = f"the load generator did not start; end of its log: {tail(log)}"
            return
        for clients in ramp.clients:
            show(f"begin: {in_words(clients)} ...")
            deadline = time.monotonic() + ramp.longest(clients) + MARGIN_SECONDS
            step = _step(process, said, target, deadline, show)
            run.steps += [step] if step else []
            run.problem = target.ended() or _problem(step)
            if step is None:
                run.problem = run.problem or f"the load generator gave no result; end of its log: {tail(log)}"
            if run.problem:
                return


def _problem(step: Step | None) -> str:
    if step is None:
        return ""
    if not step.answered:
        return f"the service did not answer one request of {in_words(step.clients)}"
    if not step.began:
        return f"none of {in_words(step.clients)} could begin, see the errors"
    return ""


@contextmanager
def _generator(url: str, ramp: Ramp, log: Path) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "dev.load.generator"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            process_group=0,
        )
    try:
        # it stays open: the generator ends when it is closed, also because this process was killed
        if process.stdin:
            with suppress(BrokenPipeError):
                process.stdin.write(json.dumps({"url": url, "ramp": ramp.model_dump()}) + "\n")
                process.stdin.flush()
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _lines(process: subprocess.Popen[str]) -> "Queue[str]":
    """Return the queue that gets each line of the generator, and an empty one at its end."""
    said: Queue[str] = Queue()

    def read() -> None:
        for line in process.stdout or ():
            said.put(line)
        said.put("")

    Thread(target=read, daemon=True).start()
    return said


def _step(
    process: subprocess.Popen[str], said: "Queue[str]", target: Target, deadline: float, show: Show
) -> Step | None:
    """Return the results of the next step; `None` if the generator ends or is silent.

    If the service ends, the generator is asked to come to the end of the step.
    """
    asked = False

    def look() -> None:
        nonlocal asked
        if not asked and target.ended():
            process.send_signal(signal.SIGTERM)
            asked = True

    watch: Watch | None = None
    cores: Cores | None = None
    extra: dict[str, Any] = {}
    while event := _next(said, deadline, look):
        if event["event"] == "measuring":
            show("measuring ...")
            watch, cores = Watch(target.url), Cores(process.pid)
        elif event["event"] == "measured" and watch and cores:
            cpu = cores.used()
            pool, busy = watch.stop()
            extra = {"pool": pool, "cpu": cpu if cpu.service is not None else cpu.model_copy(update={"service": busy})}
        elif event["event"] == "step":
            return Step.model_validate(event["step"]).model_copy(update=extra)
    return None


def _next(said: "Queue[str]", deadline: float, meanwhile: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """Return the next event; nothing if the generator has ended, or is silent until the deadline."""
    while time.monotonic() < deadline:
        with suppress(Empty):
            line = said.get(timeout=LOOK_SECONDS)
            event: dict[str, Any] = json.loads(line) if line else {}
            return event
        meanwhile()
    return {}
