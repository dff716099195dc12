"""The parameters of pages in other orders than newest first, and of pages by offset."""

from typing import Annotated

import httpx2 as httpx
import pytest
from fastapi import Depends, FastAPI

from app.platform.db.pagination import PageRequest
from app.platform.db.sorting import Sorting
from app.platform.http.dependencies import OffsetPaging, sorted_by
from tests.platform.support.sortable import Sortable
from tests.support.client import problem

KEY = "0" * 32
SORTED = Annotated[PageRequest, Depends(sorted_by(Sorting(Sortable.name), Sorting(Sortable.day, descending=True)))]


@pytest.fixture
def requested(app: FastAPI) -> list[PageRequest]:
    """Return the requests that the route has received."""
    requests: list[PageRequest] = []

    @app.get("/sorted")
    async def keep(paging: SORTED) -> None:
        requests.append(paging)

    return requests


@pytest.mark.parametrize(
    ("query", "name", "cursor"),
    [
        ("", "name", None),
        ("?sort=-day&limit=7", "-day", None),
        (f"?cursor=name.QWRh.{KEY}", "name", f"name.QWRh.{KEY}"),
        (f"?sort=-day&cursor=-day.738000.{KEY}", "-day", f"-day.738000.{KEY}"),
    ],
)
async def test_order_is_chosen_by_its_name(
    client: httpx.AsyncClient, requested: list[PageRequest], query: str, name: str, cursor: str | None
) -> None:
    assert (await client.get(f"/sorted{query}")).status_code == 200
    (request,) = requested
    assert request.sorting is not None
    assert request.sorting.name == name
    assert (request.after.encode() if request.after else None) == cursor


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        (f"?sort=-day&cursor=name.QWRh.{KEY}", "cursor"),
        (f"?cursor=-day.738000.{KEY}", "cursor"),
        (f"?cursor=0.{KEY}", "cursor"),
        ("?cursor=name", "cursor"),
        ("?cursor=", "cursor"),
        ("?sort=day", "sort"),
        ("?limit=101", "limit"),
    ],
)
async def test_other_parameters_are_refused(
    client: httpx.AsyncClient, requested: list[PageRequest], query: str, parameter: str
) -> None:
    document = problem(await client.get(f"/sorted{query}"), 422, "validation_error")
    (error,) = document["errors"]
    assert error["location"] == ["query", parameter]
    assert requested == []
    if parameter == "cursor":
        sort = "-day" if "sort=-day" in query else "name"
        assert error["message"] == f"This is no cursor of pages sorted by {sort}"


async def test_orders_are_described(app: FastAPI, requested: list[PageRequest]) -> None:
    assert requested == []
    parameters = {each["name"]: each for each in app.openapi()["paths"]["/sorted"]["get"]["parameters"]}
    assert parameters["sort"]["schema"]["enum"] == ["name", "-day"]
    assert parameters["sort"]["schema"]["default"] == "name"
    pattern, _ = parameters["cursor"]["schema"]["anyOf"]
    assert pattern["pattern"].startswith(r"^(name\.")


async def test_offset_has_a_bound(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.get("/by-offset")
    async def show(paging: OffsetPaging) -> tuple[int, int]:
        return paging.offset, paging.limit

    assert (await client.get("/by-offset?offset=10000&limit=100")).json() == [10_000, 100]
    assert (await client.get("/by-offset")).json() == [0, 50]
    for query in ("offset=10001", "offset=-1", "limit=0"):
        problem(await client.get(f"/by-offset?{query}"), 422, "validation_error")
