"""Each paid order has a receipt, which is delivered to all receivers."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
import stamina
from sqlalchemy import Engine

from app.config import Settings
from app.features.orders.errors import OrderNotFound, OrderNotPayable
from app.features.orders.models import OrderStatus
from app.features.orders.service import OrderService
from app.features.payments import service as subject
from app.jobs import JOBS
from app.platform.db.session import Database
from app.platform.jobs.attempt import PermanentFailure
from app.platform.jobs.runner import Runner
from app.resources import Resources
from app.services import Services
from tests.features.orders.baskets import BASKET, register
from tests.support.outbox import outbox
from tests.support.receivers import Receiver, receiving
from tests.support.sql import recorded_statements


@pytest.fixture(autouse=True)
def _no_waits() -> Iterator[None]:
    """Retry as usual, without the pauses."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


async def test_payment_enqueues_one_receipt(services: Services, owner: UUID, database: Database) -> None:
    placed = await services.orders.create(owner, BASKET)
    assert await outbox(database) == []
    paid = await services.orders.pay(owner, placed.id)
    assert (paid.status, paid.lines) == (OrderStatus.PAID, placed.lines)
    assert await services.orders.get(owner, placed.id) == paid
    assert [(row.job, row.arguments) for row in await outbox(database)] == [
        ("deliver_receipt", {"owner": str(owner), "order_id": str(placed.id)})
    ]


async def test_refused_payment_enqueues_no_receipt(services: Services, owner: UUID, database: Database) -> None:
    cancelled = await services.orders.create(owner, BASKET)
    await services.orders.cancel(owner, cancelled.id)
    with pytest.raises(OrderNotPayable):
        await services.orders.pay(owner, cancelled.id)
    for someone, order_id in ((owner, uuid4()), (await register(services), cancelled.id)):
        with pytest.raises(OrderNotFound):
            await services.orders.pay(someone, order_id)
    assert await outbox(database) == []


@pytest.mark.commits
async def test_concurrent_payments_enqueue_one_receipt(services: Services, owner: UUID, database: Database) -> None:
    for number in range(1, 4):
        placed = await services.orders.create(owner, BASKET)
        paying = [services.orders.pay(owner, placed.id) for _ in range(2)]
        outcomes = await asyncio.gather(*paying, return_exceptions=True)
        assert [type(each) for each in outcomes].count(OrderNotPayable) == 1
        assert len(await outbox(database)) == number


@pytest.mark.commits
async def test_order_is_not_paid_if_its_receipt_cannot_be_enqueued(
    services: Services, owner: UUID, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **_arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(subject, "enqueue", fail)
    placed = await services.orders.create(owner, BASKET)
    with pytest.raises(ZeroDivisionError):
        await services.orders.pay(owner, placed.id)
    assert await services.orders.get(owner, placed.id) == placed
    assert await outbox(database) == []


async def test_receipt_costs_one_statement_and_none_without_receivers(
    services: Services, owner: UUID, database: Database, sql_engine: Engine
) -> None:
    without = OrderService(database)
    counts: list[int] = []
    for orders in (without, services.orders):
        placed = await orders.create(owner, BASKET)
        with recorded_statements(sql_engine) as statements:
            await orders.pay(owner, placed.id)
        counts.append(len(statements))
    assert counts == [3, 4]
    assert len(await outbox(database)) == 1


async def test_receipt_is_delivered_to_all_receivers(
    services: Services, owner: UUID, receivers: list[Receiver]
) -> None:
    placed = await services.orders.create(owner, BASKET)
    paid = await services.orders.pay(owner, placed.id)
    for _ in range(2):
        await services.payments.deliver_receipt(owner, placed.id)
    for receiver in receivers:
        first, repetition = receiver.received
        assert first.headers["Idempotency-Key"] == f"receipt-{placed.id}"
        assert first.headers["Idempotency-Key"] == repetition.headers["Idempotency-Key"]
        assert first.body == repetition.body
        assert json.loads(first.body) == {
            "order_id": str(placed.id),
            "user_id": str(owner),
            "paid_at": paid.updated_at.isoformat().replace("+00:00", "Z"),
            "total_cents": 2198,
            "lines": [line.model_dump() for line in BASKET.lines],
        }


@pytest.mark.parametrize("status", [400, 503])
async def test_failing_receiver_does_not_keep_receipts_from_others(
    resources: Resources, owner: UUID, receivers: list[Receiver], status: int
) -> None:
    async with receiving(status) as failing:
        urls = (failing.url, *[receiver.url for receiver in receivers])
        payments = resources.settings.payments.model_copy(update={"webhook_urls": urls})
        resources.settings = replace(resources.settings, payments=payments)
        services = Services(resources)
        placed = await services.orders.create(owner, BASKET)
        with pytest.raises(ExceptionGroup, match="1 of 3 failed") as failed:
            await services.payments.deliver_receipt(owner, placed.id)
    assert [str(each).partition(" answered ")[2] for each in failed.value.exceptions] == [f"with {status}"]
    assert [len(receiver.received) for receiver in receivers] == [1, 1]


async def test_receipt_of_a_missing_order_fails_permanently(
    services: Services, owner: UUID, receivers: list[Receiver]
) -> None:
    placed = await services.orders.create(owner, BASKET)
    for someone, order_id in ((owner, uuid4()), (uuid4(), placed.id)):
        with pytest.raises(PermanentFailure, match=r"^Order not found\.$"):
            await services.payments.deliver_receipt(someone, order_id)
    assert [receiver.received for receiver in receivers] == [[], []]


@pytest.mark.commits
async def test_enqueued_job_delivers_the_receipt(
    services: Services, owner: UUID, database: Database, settings: Settings, receivers: list[Receiver]
) -> None:
    placed = await services.orders.create(owner, BASKET)
    await services.orders.pay(owner, placed.id)
    (row,) = await outbox(database)
    await Runner(database, settings.database, services, JOBS, "worker").run(row.id, row.job)
    assert await outbox(database) == []
    for receiver in receivers:
        assert [json.loads(got.body)["order_id"] for got in receiver.received] == [str(placed.id)]
