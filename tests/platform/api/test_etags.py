"""ETags: 304 for clients that have the response, with the headers of the response, and the same refusals."""

from dataclasses import dataclass

import httpx2 as httpx
import pytest
from fastapi import FastAPI, Response

from app.platform.auth.dependencies import CallerId
from app.platform.http.etags import UNCHANGED, Unchanged
from app.platform.schemas import ResponseModel
from tests.support.client import problem, sign_up

PATH = "/tagged"


class Shown(ResponseModel):
    """What the route shows."""

    text: str


class Secret(Shown):
    """What it must not show."""

    secret: str = "hunter2"


@dataclass
class Stored:
    """What there is to show."""

    shown: Shown


@pytest.fixture
def stored(app: FastAPI) -> Stored:
    """Add a route that shows this."""
    stored = Stored(Shown(text="tea"))

    @app.get(PATH, responses=UNCHANGED)
    async def show(_: CallerId, unchanged: Unchanged, response: Response) -> Shown:
        response.headers["X-Own"] = "kept"
        return unchanged.unless_known(stored.shown)

    return stored


async def test_response_that_the_client_has_is_not_sent_again(client: httpx.AsyncClient, stored: Stored) -> None:
    headers = await sign_up(client)
    first = await client.get(PATH, headers=headers)
    assert (first.status_code, first.json()) == (200, {"text": "tea"})
    assert first.headers["content-type"] == "application/json"
    assert first.headers["cache-control"] == "private, no-cache"
    tag = first.headers["etag"]
    for method, condition in (
        ("GET", tag),
        ("HEAD", tag),
        ("GET", tag.removeprefix("W/")),
        ("GET", f'"other" , {tag}'),
        ("GET", "*"),
    ):
        again = await client.request(method, PATH, headers=headers | {"If-None-Match": condition})
        assert (again.status_code, again.content) == (304, b"")
        assert not {"content-type", "content-length"} & again.headers.keys()
        same = {name: value for name, value in first.headers.items() if name.startswith(("etag", "cache-", "vary"))}
        assert same.items() <= dict(again.headers).items()
        assert again.headers["x-own"] == first.headers["x-own"] == "kept"
        assert "x-request-id" in again.headers
    for condition in ('"other"', "", tag[:-2], tag.upper()):
        assert (await client.get(PATH, headers=headers | {"If-None-Match": condition})).status_code == 200
    stored.shown = Shown(text="coffee")
    changed = await client.get(PATH, headers=headers | {"If-None-Match": tag})
    assert changed.json() == {"text": "coffee"}
    assert changed.headers["etag"] != tag


@pytest.mark.usefixtures("stored")
async def test_who_may_not_see_it_is_refused(client: httpx.AsyncClient) -> None:
    problem(await client.get(PATH, headers={"If-None-Match": "*"}), 401, "not_authenticated")


async def test_fields_that_the_route_does_not_declare_are_not_sent(client: httpx.AsyncClient, stored: Stored) -> None:
    headers = await sign_up(client)
    stored.shown = Secret(text="tea")
    answer = await client.get(PATH, headers=headers)
    assert "hunter2" not in answer.text
    problem(answer, 500, "internal_error")


class Sparse(ResponseModel):
    """A model that its route shows in part."""

    text: str
    nothing: str | None = None


async def test_response_has_the_shape_that_its_route_declares(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.get("/sparse", response_model_exclude_none=True)
    @app.post("/sparse", response_model_exclude={"text"})
    async def show(unchanged: Unchanged) -> Sparse:
        return unchanged.unless_known(Sparse(text="tea"))

    first = await client.get("/sparse")
    assert first.json() == {"text": "tea"}
    again = await client.get("/sparse", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    # only who reads has the response already
    posted = await client.post("/sparse", headers={"If-None-Match": "*"})
    assert (posted.status_code, posted.json()) == (200, {"nothing": None})


@pytest.mark.usefixtures("stored")
async def test_tag_is_described_and_generated_clients_stay_as_they_are(app: FastAPI) -> None:
    described = app.openapi()["paths"][PATH]["get"]["responses"]
    assert described["200"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Shown"}
    assert "If-None-Match" in described["200"]["headers"]["ETag"]["description"]
    assert described.keys() == {"200"}
