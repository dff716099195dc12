"""The contract of `Idempotency-Key` with /api/v1/orders."""

import asyncio

import httpx2 as httpx
import pytest

from tests.support.client import problem, sign_up

ORDERS = "/api/v1/orders"
BODY = {"lines": [{"sku": "TEA-250", "quantity": 2, "unit_price_cents": 499}]}
OTHER = {"lines": [{"sku": "CUP", "quantity": 1, "unit_price_cents": 1200}]}


async def test_repeated_request_with_a_key_takes_effect_once(client: httpx.AsyncClient) -> None:
    headers = await sign_up(client) | {"Idempotency-Key": "order-1"}
    first = await client.post(ORDERS, json=BODY, headers=headers)
    await client.post(f"{ORDERS}/{first.json()['id']}/pay", headers=headers)
    second = await client.post(ORDERS, json=BODY, headers=headers)
    assert (second.status_code, second.json()) == (201, first.json())
    assert first.headers["location"] == second.headers["location"] == f"{ORDERS}/{first.json()['id']}"
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert (await client.get(f"{ORDERS}/summary", headers=headers)).json()["count"] == 1


async def test_key_of_another_request_is_refused(client: httpx.AsyncClient) -> None:
    headers = await sign_up(client) | {"Idempotency-Key": "order-1"}
    await client.post(ORDERS, json=BODY, headers=headers)
    answer = await client.post(ORDERS, json=OTHER, headers=headers)
    problem(answer, 422, "idempotency_key_reused")


async def test_keys_of_two_users_are_two_keys(client: httpx.AsyncClient) -> None:
    answers = [
        await client.post(ORDERS, json=BODY, headers=await sign_up(client) | {"Idempotency-Key": "same"})
        for _ in range(2)
    ]
    assert answers[0].json()["id"] != answers[1].json()["id"]


@pytest.mark.commits
async def test_concurrent_requests_with_a_key_have_one_effect(client: httpx.AsyncClient) -> None:
    headers = await sign_up(client) | {"Idempotency-Key": "order-1"}
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(client.post(ORDERS, json=BODY, headers=headers)) for _ in range(5)]
    assert {task.result().status_code for task in tasks} == {201}
    assert len({task.result().json()["id"] for task in tasks}) == 1
    assert (await client.get(f"{ORDERS}/summary", headers=headers)).json()["count"] == 1
