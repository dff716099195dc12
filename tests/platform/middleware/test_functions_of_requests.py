"""Functions that take only the request are called past FastAPI, and no others."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from inspect import signature
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import Mock

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.datastructures import Default
from fastapi.dependencies.utils import solve_dependencies
from pydantic import BaseModel
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse, Response

from app.config import Settings
from app.platform.http import shortcut
from app.platform.http.application import set_up
from app.platform.http.lifespan import State
from app.platform.http.limits import PREFIX
from tests.platform.support.routes import Shouting, no_entry
from tests.support.client import client_of

if TYPE_CHECKING:
    from starlette.responses import Response as Answer


async def greet(request: Request) -> Response:
    if request.query_params:
        raise HTTPException(422, "No questions.")
    return PlainTextResponse(f"Hello {request.path_params['name']}", background=BackgroundTask(GREETED.append, 1))


async def greet_by_keyword(*, request: Request) -> Response:
    return await greet(request)


async def greet_with_model(request: Request) -> str:
    return bytes((await greet(request)).body).decode()


async def greet_with_more(_request: Request, question: str = "") -> Response:
    return PlainTextResponse(question)


def greet_in_thread(request: Request) -> Response:
    return PlainTextResponse(f"Hello {request.path_params['name']}")


async def greet_for_type_checkers(request: Request) -> "Answer":
    return await greet(request)


def in_words(function: Callable[..., Awaitable[Response]]) -> Callable[..., Awaitable[Any]]:
    """Decorate a function as FastAPI allows it: it is called by keyword, and may return anything."""

    @wraps(function)
    async def answer(*, request: Request) -> str:
        return bytes((await function(request)).body).decode()

    return answer


@in_words
async def greet_in_words(request: Request) -> Response:
    return PlainTextResponse(f"Hello {request.path_params['name']}")


GREETED: list[int] = []
GREETERS = (
    greet,
    greet_by_keyword,
    greet_with_model,
    greet_with_more,
    greet_in_thread,
    greet_for_type_checkers,
    greet_in_words,
)


@pytest.fixture
def greeters(settings: Settings) -> FastAPI:
    """Return an application with routes whose functions take the request, and one that is closed to all."""
    open_, loud = APIRouter(prefix="/open"), APIRouter(prefix="/loud", route_class=Shouting)
    closed = APIRouter(prefix="/closed", dependencies=[Depends(no_entry)])
    for function in GREETERS:
        model = None if function is greet_for_type_checkers else Default(None)
        open_.add_api_route(f"/{function.__name__}/{{name}}", function, methods=["GET"], response_model=model)
    for router in (loud, closed):
        router.add_api_route("/{name}", greet, methods=["GET"])
    app = FastAPI(openapi_url=None)
    set_up(app, (open_, loud, closed), settings)
    return app


async def test_function_of_the_request_is_called_past_fastapi_and_no_other(
    greeters: FastAPI, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    through_fastapi = []

    async def count(*, request: Request, **more: Any) -> Any:
        through_fastapi.append(request.url.path.removeprefix("/api/v1/"))
        return await solve_dependencies(request=request, **more)

    monkeypatch.setattr("fastapi.routing.solve_dependencies", count)
    GREETED.clear()
    async with client_of(greeters, state) as client:
        for function in GREETERS:
            answer = await client.get(f"/api/v1/open/{function.__name__}/ada")
            assert "ada" in answer.text or function is greet_with_more
        assert (await client.get("/api/v1/loud/ada")).text == "HELLO ADA"
        assert (await client.get("/api/v1/closed/ada")).status_code == 403
        refused = await client.get("/api/v1/open/greet/ada?why")
    assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")
    assert "open/greet/ada" not in through_fastapi
    assert len(through_fastapi) == len(GREETERS) - 1 + 2
    # by itself, and by the two functions that return its response
    assert len(GREETED) == 3


class Word(BaseModel):
    word: str = "hello"
    later: str | None = None


# what a function returns although it is annotated with `Response`, and what its route says
OTHERS: tuple[tuple[Any, dict[str, Any]], ...] = (
    (None, {}),
    (None, {"status_code": 204}),
    ({"word": "hello"}, {}),
    ({"word": "hello"}, {"status_code": 201, "response_model": Word, "response_model_exclude_none": True}),
    ([Word()], {}),
    (Word(), {"response_model": Word, "response_model_exclude": {"word"}}),
    ("hello", {}),
    ("hello", {"response_class": PlainTextResponse}),
    (7, {"status_code": 202}),
)


@pytest.fixture
def others() -> APIRouter:
    """Return a router with a route for each of them; its path is the number of the case."""
    router = APIRouter(prefix="/others")
    for number, (returned, said) in enumerate(OTHERS):

        async def answer(request: Request, returned: Any = returned) -> Response:
            GREETED.append(1)
            await request.body()
            return cast("Response", returned)

        signed = signature(answer)
        answer.__signature__ = signed.replace(parameters=[signed.parameters["request"]])  # type: ignore[attr-defined]
        router.add_api_route(f"/{number}", answer, methods=["POST"], **said)
    return router


async def test_function_that_returns_something_else_is_answered_as_by_fastapi(
    others: APIRouter, settings: Settings, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = FastAPI(openapi_url=None), FastAPI(openapi_url=None)
    set_up(ours, (others,), settings)
    theirs.include_router(others, prefix=PREFIX)
    made = Mock(wraps=shortcut._past_fastapi)  # noqa: SLF001
    monkeypatch.setattr(shortcut, "_past_fastapi", made)
    GREETED.clear()
    async with client_of(ours, state) as client, client_of(theirs, state) as direct:
        for number, _ in enumerate(OTHERS):
            for _ in range(2):
                answers = [await each.post(f"{PREFIX}/others/{number}", content=b"x") for each in (client, direct)]
                first, second = [(each.status_code, each.content, dict(each.headers)) for each in answers]
                assert first == second
                assert first[0] < 300
    assert made.call_count == len(OTHERS)
    assert len(GREETED) == 4 * len(OTHERS)


async def test_dependencies_of_the_application_are_not_passed_by(settings: Settings, state: State) -> None:
    router = APIRouter()
    router.add_api_route("/{name}", greet, methods=["GET"])
    app = FastAPI(openapi_url=None, dependencies=[Depends(no_entry)])
    set_up(app, (router,), settings)
    async with client_of(app, state) as client:
        assert (await client.get("/api/v1/ada")).status_code == 403


async def count_bytes(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def refuse_body(request: Request) -> Response:
    raise KeyError(await request.body())


async def test_limits_of_bodies_are_not_passed_by(settings: Settings, state: State) -> None:
    here, above, outer = APIRouter(), APIRouter(), APIRouter()
    here.add_api_route("/here", count_bytes, methods=["POST"], max_body_size=5)
    above.add_api_route("/above", count_bytes, methods=["POST"])
    outer.include_router(above, max_body_size=5)
    app = FastAPI(openapi_url=None)
    set_up(app, (here, outer), settings)
    async with client_of(app, state) as client:
        for path in ("/api/v1/here", "/api/v1/above"):
            assert (await client.post(path, content=b"12345")).text == "5"
            assert (await client.post(path, content=b"123456")).status_code == 413


async def test_handlers_of_errors_see_the_body_that_was_read(settings: Settings, state: State) -> None:
    router = APIRouter()
    router.add_api_route("/refused", refuse_body, methods=["POST"])
    app = FastAPI(openapi_url=None)
    set_up(app, (router,), settings)

    @app.exception_handler(KeyError)
    async def show(request: Request, _error: KeyError) -> Response:
        async with asyncio.timeout(5):
            return PlainTextResponse(await request.body(), 400)

    async with client_of(app, state) as client:
        assert (await client.post("/api/v1/refused", content=b"me")).text == "me"
