"""What others write into the broker does not end a worker, and is counted."""

import importlib.util
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import orjson
import pytest
from redis.asyncio import Redis

from tests.platform.jobs.process.deployment import Deployment
from tests.platform.jobs.process.jobs import EFFECT
from tests.platform.jobs.process.workers import Worker, wait_until

WITH_CELERY = importlib.util.find_spec("celery") is not None
NOISE = (b"", b"\xff\x00", b"no json", b"5", b"[]", b"null", b"{}", b'{"body": 5}', b"{" * 10_000)


def message(body: object, content_type: str = "application/json", tag: object = "", **headers: object) -> bytes:
    """Return a message of Celery's with this body; without other headers, it is of the service's task."""
    properties = {"delivery_tag": tag or uuid4().hex, "delivery_info": {"exchange": "", "routing_key": "x"}}
    headers = headers or {"lang": "py", "task": "run", "id": uuid4().hex}
    given = {"body": body, "content-encoding": "utf-8", "content-type": content_type, "headers": headers}
    return orjson.dumps({**given, "properties": properties})


FOREIGN = (
    message("[[], {}, {}]"),
    message('[["no key", "effect"], {}, {}]'),
    message("no json"),
    message(5),
    message("[[], {}, {}]", task="foreign", id="1"),
    message("gASVCAAAAAAAAACMBHRlc3SULg==", "application/x-python-serialize"),
)
SHAPES: tuple[dict[str, Any], ...] = (
    {"task": "run"},
    {"task": []},
    {"task": "foreign"},
    {"task": "run", "id": "1", "tag": True},
)
# what fails in Celery's own code: more than it takes at a time
UNHANDLED = tuple(message("[[], {}, {}]", **headers) for headers in SHAPES for _ in range(10))
# what ARQ can read, with values of other types than those of the service
MISTYPED = (
    b'{"f":"run","a":[],"k":{},"t":"x","et":0}',
    b'{"f":[],"a":[],"k":{},"t":null,"et":0}',
    b'{"f":"run","a":[],"k":{},"t":null,"et":"x"}',
    b'{"f":"run","a":["no key","effect"],"k":{},"t":null,"et":0}',
    b'{"f":"run","a":["%s","effect"],"k":{},"t":null,"et":18446744073709551615}' % str(uuid4()).encode(),
    b'{"f":"run","a":["%s","effect"],"k":{"x":1},"t":null,"et":0}' % str(uuid4()).encode(),
    b'{"f":"run","a":["%s",5],"k":{},"t":null,"et":0}' % str(uuid4()).encode(),
    b'{"f":"foreign","a":["%s","effect"],"k":{},"t":null,"et":0}' % str(uuid4()).encode(),
)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Any]:
    client = Redis.from_url(redis_url)
    yield client
    await client.aclose()


async def litter(redis: Any, queue: str) -> int:
    """Write into the queue what no release of this service would; return how many of it the service must count."""
    if WITH_CELERY:
        await redis.lpush(f"{queue}.celery", *NOISE, *FOREIGN, *UNHANDLED)
        # Celery discards and reports the others itself, but for a body that is a number
        return len(NOISE) + len(UNHANDLED) + 1
    for noise in (*NOISE, *FOREIGN, *MISTYPED):
        # of a job that does not exist, with a name as the service gives it
        name = f"{uuid4()}.0"
        await redis.set(f"arq:job:{name}", noise)
        await redis.zadd(f"{queue}.arq", {name: 1})
    await redis.zadd(f"{queue}.arq", {b"\xff": 1, "foreign": 1, f"{uuid4()}.0": 1})
    # two names, and all messages but the empty one, which ARQ takes for one that Redis no longer has
    return len(NOISE) + len(FOREIGN) + len(MISTYPED) + 1


async def test_garbage_does_not_end_a_worker(deployment: Deployment, redis: Any) -> None:
    with deployment.worker() as worker:
        await worker.wait_until_ready()
        assert (await worker.get("/readyz")).json()["checks"]["consumer"] == "ok"
        # not before Celery has forked its processes
        assert not WITH_CELERY or [line for line in worker.lines if "celery@" in line and " ready." in line]
        counted = await litter(redis, deployment.environment("x")["TASKS_QUEUE"])
        keys = await deployment.enqueue(EFFECT, 20)
        await deployment.wait_until_done(keys)
        await wait_until(lambda: is_empty(worker), "the queue is empty")
        assert await unreadable(worker) == counted
        assert worker.process.poll() is None
        assert await worker.stop() == 0


async def unreadable(worker: Worker) -> float:
    """Return how many messages were discarded."""
    lines = (await worker.get("/metrics")).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("job_deliveries_unreadable_total"))


async def is_empty(worker: Worker) -> bool:
    metrics = (await worker.get("/metrics")).text.splitlines()
    return any(line.startswith("queue_depth") and line.endswith(" 0.0") for line in metrics)
