"""The queue for the threads that hash passwords: its order and its bounds."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx2 as httpx
import pytest
import structlog
from argon2 import PasswordHasher as Argon2

from app.platform import security
from app.platform.errors import Busy
from app.platform.hashing import HashingQueue, Priority
from app.resources import Resources
from tests.support.client import PASSWORD, problem

PATIENCE = 60


class Gate:
    """A function that waits for the gate to open, and records its calls."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Semaphore(0)
        self.calls: list[str] = []

    def call(self, name: str) -> None:
        self.calls.append(name)
        self.entered.release()
        assert self.open.wait(PATIENCE)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


@pytest.fixture
async def queue(gate: Gate) -> AsyncIterator[HashingQueue]:
    """Yield a queue of one thread, for three calls that wait; a first call occupies the thread."""
    queue = HashingQueue(1, 3, PATIENCE)
    first = asyncio.create_task(queue.run(Priority.REGISTRATION, gate.call, "first"))
    assert await asyncio.to_thread(gate.entered.acquire, timeout=PATIENCE)
    yield queue
    gate.open.set()
    await first
    queue.close()


async def start(queue: HashingQueue, gate: Gate, priority: Priority, name: str) -> asyncio.Task[None]:
    """Start a call, and return when it has its place in the queue or was refused."""
    task = asyncio.create_task(queue.run(priority, gate.call, name))
    await asyncio.sleep(0)
    return task


async def test_sign_ins_go_before_registrations(queue: HashingQueue, gate: Gate) -> None:
    tasks = [await start(queue, gate, Priority.REGISTRATION, name) for name in ("one", "two")]
    tasks.append(await start(queue, gate, Priority.SIGN_IN, "sign-in"))
    assert queue.waiting == 3
    gate.open.set()
    await asyncio.gather(*tasks)
    assert gate.calls == ["first", "sign-in", "one", "two"]


async def test_full_queue_refuses_registrations_and_lets_sign_ins_displace_them(
    queue: HashingQueue, gate: Gate
) -> None:
    tasks = [await start(queue, gate, Priority.REGISTRATION, name) for name in ("one", "two", "three")]
    with structlog.testing.capture_logs() as logs:
        with pytest.raises(Busy):
            await queue.run(Priority.REGISTRATION, gate.call, "four")
        signing_in = [await start(queue, gate, Priority.SIGN_IN, f"sign-in {number}") for number in range(3)]
        with pytest.raises(Busy):
            await queue.run(Priority.SIGN_IN, gate.call, "sign-in 3")
    refused = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in refused] == [Busy] * 3
    assert queue.waiting == 3
    reasons = ["queue_full", "displaced", "displaced", "displaced", "queue_full"]
    assert [(log["event"], log["reason"]) for log in logs] == [("password_hashing_refused", each) for each in reasons]
    gate.open.set()
    await asyncio.gather(*signing_in)
    assert gate.calls == ["first", "sign-in 0", "sign-in 1", "sign-in 2"]


async def test_call_that_is_cancelled_leaves_the_queue(queue: HashingQueue, gate: Gate) -> None:
    gone = await start(queue, gate, Priority.REGISTRATION, "gone")
    last = await start(queue, gate, Priority.REGISTRATION, "last")
    gone.cancel()
    gate.open.set()
    await last
    assert gate.calls == ["first", "last"]
    await queue.run(Priority.SIGN_IN, gate.call, "later")
    assert queue.waiting == 0


async def test_turn_of_a_call_that_is_cancelled_in_the_same_moment_is_passed_on(gate: Gate) -> None:
    queue = HashingQueue(1, 3, PATIENCE)
    first = asyncio.create_task(queue.run(Priority.SIGN_IN, gate.call, "first"))
    await asyncio.sleep(0)
    gone = await start(queue, gate, Priority.SIGN_IN, "gone")
    gate.open.set()
    queue.close()
    await until(lambda: not queue.waiting)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    await first
    assert vars(queue)["_free"] == 1


async def test_displaced_call_that_is_cancelled_in_the_same_moment_passes_no_turn_on(gate: Gate) -> None:
    queue = HashingQueue(1, 1, PATIENCE)
    first = asyncio.create_task(queue.run(Priority.SIGN_IN, gate.call, "first"))
    await asyncio.sleep(0)
    displaced = await start(queue, gate, Priority.REGISTRATION, "displaced")
    signing_in = asyncio.create_task(queue.run(Priority.SIGN_IN, gate.call, "sign-in"))
    asyncio.get_running_loop().call_soon(displaced.cancel)
    await asyncio.wait([displaced])
    assert displaced.cancelled()
    assert not signing_in.done()
    gate.open.set()
    await asyncio.gather(first, signing_in)
    queue.close()
    await until(lambda: vars(queue)["_free"] == 1)
    assert gate.calls == ["first", "sign-in"]


async def test_waiting_is_bounded_in_time(gate: Gate) -> None:
    queue = HashingQueue(1, 3, 0.01)
    first = asyncio.create_task(queue.run(Priority.REGISTRATION, gate.call, "first"))
    await asyncio.sleep(0)
    with structlog.testing.capture_logs() as logs, pytest.raises(Busy):
        await queue.run(Priority.SIGN_IN, gate.call, "late")
    assert [log["reason"] for log in logs] == ["timeout"]
    gate.open.set()
    await first
    assert (queue.waiting, gate.calls) == (0, ["first"])
    queue.close()


class GatedArgon2(Argon2):
    """Waits for the gate before each hash of the API."""

    gate: Gate | None = None

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        if self.gate:
            self.gate.call("registration")
        return super().hash(password, salt=salt)

    def verify(self, hash: str | bytes, password: str | bytes) -> Any:  # noqa: A002 (the name in argon2-cffi)
        if self.gate:
            self.gate.call("sign-in")
        return super().verify(hash, password)


@pytest.fixture
def gated(monkeypatch: pytest.MonkeyPatch) -> type[GatedArgon2]:
    monkeypatch.setattr(security, "Argon2", GatedArgon2)
    monkeypatch.setattr(GatedArgon2, "gate", None)
    return GatedArgon2


@pytest.mark.commits
@pytest.mark.usefixtures("gated")
class TestApi:
    """Requests at once to the application."""

    async def test_forty_registrations_do_not_delay_a_sign_in(
        self, gate: Gate, resources: Resources, client: httpx.AsyncClient
    ) -> None:
        GatedArgon2.gate = gate
        threads = resources.settings.auth.hashing_threads
        queue = vars(resources.hasher)["_queue"]
        tasks = [asyncio.create_task(register(client, number)) for number in range(40)]
        await until(lambda: queue.waiting == 40 - threads)
        form = {"username": "ada@example.com", "password": PASSWORD}
        signing_in = asyncio.create_task(client.post("/api/v1/auth/token", data=form))
        await until(lambda: queue.waiting == 41 - threads)
        gate.open.set()
        assert (await signing_in).status_code == 401
        assert {answer.status_code for answer in await asyncio.gather(*tasks)} == {201}
        assert gate.calls.index("sign-in") == threads

    async def test_more_than_the_queue_holds_are_told_to_come_back(
        self, gate: Gate, resources: Resources, client: httpx.AsyncClient
    ) -> None:
        GatedArgon2.gate = gate
        auth = resources.settings.auth
        most = auth.hashing_threads + auth.hashing_queue
        tasks = [asyncio.create_task(register(client, number)) for number in range(most)]
        queue = vars(resources.hasher)["_queue"]
        await until(lambda: queue.waiting == auth.hashing_queue)
        answer = await register(client, most)
        problem(answer, 503, "busy")
        assert int(answer.headers["retry-after"]) > 0
        gate.open.set()
        assert {answer.status_code for answer in await asyncio.gather(*tasks)} == {201}


async def register(client: httpx.AsyncClient, number: int) -> httpx.Response:
    body = {"email": f"{number}@example.com", "password": PASSWORD}
    return await client.post("/api/v1/users", json=body)


async def until(condition: Callable[[], bool]) -> None:
    """Let other tasks run until the condition is true, and return at once then."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 (the queue has no event for its length)
            await asyncio.sleep(0)
