"""Where a new resource is: in the header `Location`, also with names that are not English."""

import httpx2 as httpx
import pytest
from fastapi import FastAPI

from app.platform.http.created import CREATED, Created


@pytest.mark.parametrize("name", ["Łódź", "a b", "50 %", "a/b", "what?#", "line\rX-Other: 1", "😀", "a%2Fb"])
async def test_path_of_a_name_is_encoded(name: str) -> None:
    app = FastAPI()

    @app.post("/städte", status_code=201, responses=CREATED)
    async def add_city(city: str, created: Created) -> None:
        created.at("get_city", city=city, number=7)

    @app.get("/städte/{city:path}/{number:int}")
    async def get_city(city: str, number: int) -> tuple[str, int]:
        return city, number

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service") as client:
        made = await client.post("/städte", params={"city": name})
        assert made.status_code == 201
        location = made.headers["location"]
        assert location.isascii()
        assert location.isprintable()
        assert " " not in location
        assert (await client.get(location)).json() == [name, 7]
