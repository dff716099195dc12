"""The contract of /api/v1/orders."""

import asyncio
from uuid import UUID

import httpx2 as httpx
import pytest
from fastapi import FastAPI

from tests.support.client import problem, sign_up

ORDERS = "/api/v1/orders"
TEA = {"sku": "TEA-250", "quantity": 2, "unit_price_cents": 499}
BODY = {"lines": [TEA, {"sku": "CUP", "quantity": 1, "unit_price_cents": 1200}]}


async def place(client: httpx.AsyncClient, headers: dict[str, str], count: int = 1) -> list[str]:
    answers = [await client.post(ORDERS, json=BODY, headers=headers) for _ in range(count)]
    assert {answer.status_code for answer in answers} == {201}
    return [answer.json()["id"] for answer in answers]


async def test_order_is_created_with_lines_and_total(client: httpx.AsyncClient) -> None:
    headers = await sign_up(client)
    answer = await client.post(ORDERS, json=BODY, headers=headers)
    assert answer.status_code == 201
    order = answer.json()
    assert order["total_cents"] == 2198
    assert order["status"] == "pending"
    assert order["lines"] == BODY["lines"]
    assert (await client.get(f"{ORDERS}/{order['id']}", headers=headers)).json() == order


async def test_order_that_the_client_has_is_not_sent_again(client: httpx.AsyncClient) -> None:
    ada, bob = await sign_up(client), await sign_up(client)
    (key,) = await place(client, ada)
    for path in (f"{ORDERS}/{key}", f"{ORDERS}/summary"):
        first = await client.get(path, headers=ada)
        condition = {"If-None-Match": first.headers["etag"]}
        again = await client.get(path, headers=ada | condition)
        assert (again.status_code, again.content) == (304, b"")
        assert (await client.get(path, headers=condition)).status_code == 401
    problem(await client.get(f"{ORDERS}/{key}", headers=bob | {"If-None-Match": "*"}), 404, "order_not_found")
    await client.post(f"{ORDERS}/{key}/pay", headers=ada)
    changed = await client.get(path, headers=ada | condition)
    assert changed.json()["by_status"][0]["status"] == "paid"


@pytest.mark.parametrize(
    "line",
    [
        TEA | {"quantity": 0},
        TEA | {"quantity": "2"},
        TEA | {"quantity": 2.5},
        TEA | {"quantity": 10_001},
        TEA | {"unit_price_cents": -1},
        TEA | {"sku": "with space"},
        TEA | {"colour": "green"},
        {"sku": "TEA"},
    ],
)
async def test_invalid_line_is_refused_with_its_place(client: httpx.AsyncClient, line: dict[str, object]) -> None:
    headers = await sign_up(client)
    answer = await client.post(ORDERS, json={"lines": [line]}, headers=headers)
    document = problem(answer, 422, "validation_error")
    assert document["errors"][0]["location"][:3] == ["body", "lines", 0]


async def test_whole_numbers_may_be_written_with_a_point(client: httpx.AsyncClient) -> None:
    headers = await sign_up(client) | {"Content-Type": "application/json"}
    body = b'{"lines": [{"sku": "TEA", "quantity": 2.0, "unit_price_cents": 1e2}]}'
    answer = await client.post(ORDERS, content=body, headers=headers)
    assert answer.json()["lines"] == [{"sku": "TEA", "quantity": 2, "unit_price_cents": 100}]


async def test_order_without_lines_is_refused(client: httpx.AsyncClient) -> None:
    problem(await client.post(ORDERS, json={"lines": []}, headers=await sign_up(client)), 422, "validation_error")


async def test_body_that_is_not_json_is_refused(client: httpx.AsyncClient) -> None:
    headers = await sign_up(client) | {"Content-Type": "application/json"}
    problem(await client.post(ORDERS, content=b"{", headers=headers), 400, "bad_request")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", ""),
        ("GET", ""),
        ("GET", "/summary"),
        ("GET", f"/{UUID(int=1)}"),
        ("POST", f"/{UUID(int=1)}/pay"),
        ("POST", f"/{UUID(int=1)}/cancel"),
        ("POST", "/import"),
    ],
)
async def test_everything_needs_a_token(client: httpx.AsyncClient, method: str, path: str) -> None:
    json_body = BODY if (method, path) == ("POST", "") else None
    answer = await client.request(method, f"{ORDERS}{path}", json=json_body)
    problem(answer, 401, "not_authenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_somebody_elses_order_does_not_exist(client: httpx.AsyncClient) -> None:
    (order,) = await place(client, await sign_up(client))
    stranger = await sign_up(client)
    for answer in (
        await client.get(f"{ORDERS}/{order}", headers=stranger),
        await client.post(f"{ORDERS}/{order}/pay", headers=stranger),
        await client.post(f"{ORDERS}/{order}/cancel", headers=stranger),
    ):
        problem(answer, 404, "order_not_found")
    assert (await client.get(ORDERS, headers=stranger)).json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize(("action", "status"), [("pay", "paid"), ("cancel", "cancelled")])
async def test_pending_order_is_settled_once(client: httpx.AsyncClient, action: str, status: str) -> None:
    headers = await sign_up(client)
    (order,) = await place(client, headers)
    answer = await client.post(f"{ORDERS}/{order}/{action}", headers=headers)
    assert answer.status_code == 200
    assert answer.json()["status"] == status
    assert answer.json()["lines"] == BODY["lines"]
    problem(await client.post(f"{ORDERS}/{order}/pay", headers=headers), 409, "order_not_payable")
    problem(await client.post(f"{ORDERS}/{order}/cancel", headers=headers), 409, "order_not_payable")


@pytest.mark.commits
async def test_of_concurrent_payers_one_wins(client: httpx.AsyncClient) -> None:
    headers = await sign_up(client)
    (order,) = await place(client, headers)
    async with asyncio.TaskGroup() as group:
        payers = [group.create_task(client.post(f"{ORDERS}/{order}/pay", headers=headers)) for _ in range(5)]
    assert sorted(payer.result().status_code for payer in payers) == [200, 409, 409, 409, 409]


async def test_pages_are_newest_first_and_complete(client: httpx.AsyncClient) -> None:
    headers = await sign_up(client)
    placed = await place(client, headers, count=5)
    seen: list[str] = []
    cursor: str | None = None
    sizes = []
    while True:
        query: dict[str, str] = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await client.get(ORDERS, params=query, headers=headers)).json()
        sizes.append(len(page["items"]))
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sizes == [2, 2, 1]
    # all rows of a test have the same created_at, because a test is one transaction; so the ids decide
    assert sorted(seen) == sorted(placed)
    assert len(set(seen)) == 5


@pytest.mark.commits
async def test_pages_stay_stable_while_orders_are_placed(client: httpx.AsyncClient) -> None:
    headers = await sign_up(client)
    placed = await place(client, headers, count=4)
    first = (await client.get(ORDERS, params={"limit": 2}, headers=headers)).json()
    await place(client, headers, count=3)
    query = {"limit": "2", "cursor": first["next_cursor"]}
    second = (await client.get(ORDERS, params=query, headers=headers)).json()
    assert [item["id"] for item in first["items"] + second["items"]] == placed[::-1]
    assert second["next_cursor"] is None


async def test_list_can_be_filtered_by_status(client: httpx.AsyncClient) -> None:
    headers = await sign_up(client)
    first, _second = await place(client, headers, count=2)
    await client.post(f"{ORDERS}/{first}/pay", headers=headers)
    paid = (await client.get(ORDERS, params={"status": "paid"}, headers=headers)).json()
    assert [item["id"] for item in paid["items"]] == [first]


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "101"}, {"limit": "x"}, {"cursor": "nonsense"}, {"status": "lost"}]
)
async def test_invalid_queries_are_refused(client: httpx.AsyncClient, query: dict[str, str]) -> None:
    answer = await client.get(ORDERS, params=query, headers=await sign_up(client))
    assert problem(answer, 422, "validation_error")["errors"][0]["location"] == ["query", next(iter(query))]


async def test_summary_counts_by_status(client: httpx.AsyncClient) -> None:
    headers = await sign_up(client)
    first, *_others = await place(client, headers, count=3)
    await client.post(f"{ORDERS}/{first}/pay", headers=headers)
    assert (await client.get(f"{ORDERS}/summary", headers=headers)).json() == {
        "count": 3,
        "total_cents": 3 * 2198,
        "by_status": [
            {"status": "paid", "count": 1, "total_cents": 2198},
            {"status": "pending", "count": 2, "total_cents": 4396},
        ],
    }


async def test_path_of_import_is_not_an_order_id(client: httpx.AsyncClient) -> None:
    """`/import` has no GET, although `/{order_id}` has one."""
    for method, path, allowed in (("PUT", "", {"GET", "HEAD", "POST"}), ("GET", "/import", {"POST"})):
        answer = await client.request(method, f"{ORDERS}{path}")
        problem(answer, 405, "method_not_allowed")
        assert set(answer.headers["allow"].split(", ")) == allowed


def test_operation_ids_are_stable(app: FastAPI) -> None:
    paths = {path: item for path, item in app.openapi()["paths"].items() if path.startswith(ORDERS)}
    assert sorted(operation["operationId"] for item in paths.values() for operation in item.values()) == [
        "cancel_order",
        "create_order",
        "get_order",
        "import_orders",
        "list_orders",
        "pay_order",
        "summarize_orders",
    ]
