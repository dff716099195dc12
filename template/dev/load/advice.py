"""Says what was the limit, and which change of the settings follows from it."""

from collections.abc import Iterator

from app.platform.db import sizing
from dev.load.plan import MOST_CLIENTS
from dev.load.results import Cpu, Pool, Run, Step, added, in_words

# of one core, which a process with one event loop can use
FULL_CORE = 0.85
# of all cores: what others may use before the numbers are worth little
MOST_OF_OTHERS = 0.25
# of the time of a request: less waiting at the pool is not worth a change
WORTH_A_CHANGE = 0.1
# of the most requests a second: the first step with so many is taken as the load that the service can carry
NEARLY_ALL = 0.9
# more clients brought so much more
STILL_GROWS = 1.1
# a connection was held so much longer than in an earlier step
HELD_LONGER = 1.5
# the next test has so many times the clients
MORE_CLIENTS = 4


def advice(run: Run) -> list[str]:
    """Return the recommendation, in sentences; the first one says what the limit was."""
    measured = [step for step in run.steps if step.timings]
    if not measured:
        return ["No recommendation: no request of a round was answered as expected."]
    if run.problem:
        return ["No recommendation: the test ended early.", *_trouble(run)]
    last = measured[-1]
    if last.cpu and last.cpu.full and (last.cpu.others or 0.0) >= MOST_OF_OTHERS * last.cpu.cores:
        others = "Other programs took a good part of them: repeat the test when they do not run."
        return [f"{_machine(last.cpu)} {others}", *_trouble(run)]
    cores_full = _service_is_full(last.cpu, run.processes) or bool(last.cpu and last.cpu.full)
    # the time that connections were held is no measure of the work then
    formulas = _formulas(run, knee(measured)) if cores_full or not _held_longer(measured) else ()
    return [*_limit(run, measured, last), *_trouble(run), *formulas]


def knee(measured: list[Step]) -> Step:
    """Return the first step that came near the most requests a second; more clients only wait longer."""
    most = max(step.per_second for step in measured)
    return next(step for step in measured if step.per_second >= NEARLY_ALL * most)


def _limit(run: Run, measured: list[Step], last: Step) -> Iterator[str]:
    cpu, pool = last.cpu, last.pool
    service_full = _service_is_full(cpu, run.processes)
    if cpu and cpu.generator >= FULL_CORE and not service_full:
        yield (
            f"The load generator was the limit: it used {cpu.generator:.2f} of the one core that it can use. "
            "These numbers are not the service's; with LOAD_URL, send from several machines, or make a longer pause."
        )
    elif pool and pool.total and _waits(pool, last):
        yield from _full_pool(pool, cpu, run.processes, _held_longer(measured), service_full=service_full)
    elif service_full and cpu:
        yield _more_processes(cpu, run.processes)
        yield "Requests did not wait for connections: leave the pool as it is."
    elif cpu and cpu.full:
        yield f"{_machine(cpu)} Another pool does not help: give the service more cores, or send from another machine."
    elif len(measured) == 1:
        yield f"Only one step was measured, so nothing is known about more clients. {_more_clients(last.clients)}"
    elif last.per_second > STILL_GROWS * measured[-2].per_second:
        yield (
            f"No limit was reached: {in_words(last.clients)} still brought more requests a second than "
            f"{measured[-2].clients}. {_more_clients(last.clients)}"
        )
    else:
        yield (
            f"More than {in_words(knee(measured).clients)} brought hardly more requests a second, while pool and cores "
            "had room: look for locks, hashing of passwords, and calls of other services (slow_sql in the log, "
            "docs/queries.md)."
        )


def _more_clients(clients: int) -> str:
    if clients >= MOST_CLIENTS:
        return f"{MOST_CLIENTS} is the most that one test sends: use LOAD_URL from several machines for more."
    return f"Send more, such as LOAD_CLIENTS={clients},{min(clients * MORE_CLIENTS, MOST_CLIENTS)}."


def _held_longer(measured: list[Step]) -> str:
    """Return how much longer than in an earlier step connections were held, if the work done grew less than that.

    If connections were only too few, each would be held for the same time whatever the number of clients.
    """
    last = measured[-1]
    for step in measured[:-1]:
        if last.pool and step.pool and step.pool.held_ms:
            longer = last.pool.held_ms / step.pool.held_ms
            if longer >= HELD_LONGER and longer * step.per_second > last.per_second:
                return f"{last.pool.held_ms:.1f} ms, with {in_words(step.clients)} {step.pool.held_ms:.1f} ms"
    return ""


def _full_pool(
    pool: Pool, cpu: Cpu | None, processes: int | None, held_longer: str, *, service_full: bool
) -> Iterator[str]:
    yield (
        f"Requests waited {pool.waited_ms:.1f} ms for a connection on average, and {pool.in_use} of "
        f"{pool.total} connections were in use."
    )
    if service_full and cpu:
        yield f"But that follows from another limit. {_more_processes(cpu, processes)}"
        yield "More connections would wait for the same process: leave the pool of each process as it is."
    elif cpu and cpu.full:
        yield f"But more connections would not help. {_machine(cpu)} Send from another machine, or use more cores."
    elif held_longer:
        yield (
            f"But a larger pool would not help: each connection was held longer ({held_longer}). Look for locks, slow "
            "statements (slow_sql in the log, docs/queries.md) and a busy database server."
        )
    else:
        wanted = max(pool.total + 1, _by_rate_of_full(pool))
        size = -(-(wanted - pool.overflow) // (processes or 1))
        yield (
            f"The pool was the limit: set DB_POOL_SIZE={size} for each process, leave DB_MAX_OVERFLOW as it is, and "
            "measure again."
        )
        if pool.limit and wanted > pool.limit:
            yield f"PostgreSQL allows this role only {pool.limit} connections: raise that first."


def _by_rate_of_full(pool: Pool) -> int:
    # Little's law: all connections were in use, so their number is rate x time; sizing adds the room for peaks
    load = sizing.Load(rps=float(pool.total), hold_ms=1000.0)
    return max(connections for _, _, connections in load.estimates())


def _more_processes(cpu: Cpu, processes: int | None) -> str:
    busiest = cpu.busiest if cpu.busiest is not None else cpu.service or 0.0
    text = f"The CPU of the service was the limit: a process of it used {busiest:.2f} of the one core that it can use."
    if cpu.full:
        return f"{text} {_machine(cpu)} With more cores, start more processes (HTTP_WORKERS, or instances)."
    return f"{text} Start more processes: HTTP_WORKERS={(processes or 1) + 1}, or more instances."


def _machine(cpu: Cpu) -> str:
    parts = {"generator": cpu.generator, "service": cpu.service, "PostgreSQL": cpu.database, "worker": cpu.worker}
    parts["other programs"] = cpu.others
    shown = ", ".join(f"{name} {used:.2f}" for name, used in parts.items() if used is not None)
    return f"All {cpu.cores} cores of this machine were busy ({shown})."


def _service_is_full(cpu: Cpu | None, processes: int | None) -> bool:
    if cpu is None:
        return False
    if cpu.service is not None and processes is not None and processes > 1:
        # not all of the processes under `service` handle requests, and one alone may have had bad luck
        return cpu.service >= FULL_CORE * processes
    busiest = cpu.busiest if cpu.busiest is not None else cpu.service
    return busiest is not None and busiest >= FULL_CORE


def _waits(pool: Pool, step: Step) -> bool:
    """Return whether waiting for connections is a good part of the time of a request."""
    if pool.timeouts:
        return True
    return step.timings is not None and pool.waited_ms * pool.queries >= WORTH_A_CHANGE * step.timings.p50


def _trouble(run: Run) -> Iterator[str]:
    if unanswered := added(step.unanswered() for step in run.steps):
        yield f"Find out first why {sum(unanswered.values())} requests got no response ({_listed(unanswered)})."
    errors = added(step.errors() for step in run.steps)
    if any(text.startswith("429") for text in errors):
        yield "Requests were refused by a rate limit: raise HTTP_RATE_LIMIT, HTTP_LOGIN_RATE_LIMIT for this test."
    if timeouts := sum(step.pool.timeouts for step in run.steps if step.pool):
        yield f"{timeouts} units of work got no connection at all (503 pool_exhausted)."
    if lost := sum(step.lost for step in run.steps):
        yield f"{lost} records were confirmed and are not there: that is a bug, whatever the pool."


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _formulas(run: Run, step: Step) -> Iterator[str]:
    """Yield what the formulas of `pool-budget` say about the load that the service could carry."""
    pool = step.pool
    if pool is None or not pool.requests or not pool.held_ms:
        return
    queries = max(1, round(pool.queries))
    rps, hold_ms = round(pool.requests / pool.seconds, 1), round(pool.held_ms, 2)
    yield (
        f"By the formulas of docs/tuning.md, for the load of {in_words(step.clients)} (python -m app pool-budget "
        f"--rps {rps:g} --hold-ms {hold_ms:g} --queries {queries}), with the present {pool.size} + {pool.overflow}:"
    )
    yield from sizing.recommendation(sizing.Load(rps=rps, hold_ms=hold_ms, queries=queries), run.processes or 1)
