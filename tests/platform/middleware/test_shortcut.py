"""The shortcut to routes of included routers: the same route, the same answer, for every feature of routers."""

import re
from typing import Annotated, Any
from uuid import UUID

import httpx2 as httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Form, Request, WebSocket
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.routing import Match, NoMatchFound
from starlette.types import Scope

from app.config import Settings
from app.main import create_app
from app.platform.http.application import set_up
from app.platform.http.lifespan import State
from app.platform.http.shortcut import RouteShortcut
from tests.platform.support.routes import Shouting, no_entry
from tests.support.client import client_of


def request(method: str, path: str, **more: Any) -> Scope:
    return {"type": "http", "method": method, "path": path, "root_path": "", "headers": [], **more}


def shortcut_of(app: FastAPI) -> RouteShortcut:
    (shortcut,) = [route for route in app.routes if isinstance(route, RouteShortcut)]
    return shortcut


def test_every_operation_takes_the_shortcut_to_the_function_that_fastapi_would_call(app: FastAPI) -> None:
    shortcut = shortcut_of(app)
    others = [route for route in app.routes if route is not shortcut]
    forms = []
    for path, item in app.openapi()["paths"].items():
        filled = re.sub(r"\{\w+\}", "0197b5a2-0000-7000-8000-000000000000", path)
        for method in item:
            scope = request(method.upper(), filled)
            match, found = shortcut.matches(scope)
            if match is Match.NONE:
                forms.append(path)
                continue
            included = next(route for route in others if route.matches(scope)[0] is Match.FULL)
            _, expected, _, _ = included._match(scope)  # type: ignore[attr-defined]  # noqa: SLF001
            assert found["endpoint"] is expected["endpoint"]
            assert found["path_params"] == expected["path_params"]
    assert forms == ["/api/v1/auth/token"]


def test_every_name_leads_to_the_path_that_fastapi_would_find(app: FastAPI) -> None:
    shortcut = shortcut_of(app)
    app.router.routes.remove(shortcut)
    for path, item in app.openapi()["paths"].items():
        parameters = dict.fromkeys(re.findall(r"\{(\w+)\}", path), UUID(int=7))
        for name in {operation["operationId"] for operation in item.values()} - {"sign_in"}:
            assert shortcut.url_path_for(name, **parameters) == app.url_path_for(name, **parameters)
    for wrong in ({}, {"user_id": UUID(int=7), "more": 1}):
        with pytest.raises(NoMatchFound):
            shortcut.url_path_for("get_user", **wrong)


async def colour() -> str:
    return "green"


class ByVersion(APIRoute):
    """A route that looks at a header as well."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child_scope = super().matches(scope)
        return (match, child_scope) if (b"version", b"2") in scope["headers"] else (Match.NONE, {})


@pytest.fixture
def things(settings: Settings) -> FastAPI:
    """Return an application with routers of all kinds."""
    inner, outer = APIRouter(prefix="/inner"), APIRouter(prefix="/things", tags=["things"], deprecated=True)
    closed = APIRouter(prefix="/closed", dependencies=[Depends(no_entry)])
    forms = APIRouter(prefix="/forms", form_limits={"max_fields": 1})
    loud, versions = APIRouter(prefix="/loud", route_class=Shouting), APIRouter(route_class=ByVersion)

    @versions.get("/things/{number:int}")
    async def second_version(number: int) -> dict[str, int]:
        return {"second": number}

    @outer.get("/{number:int}")
    async def show(number: int, colour: Annotated[str, Depends(colour)]) -> dict[str, object]:
        return {"number": number, "colour": colour}

    @inner.get("/{name}")
    async def show_inner(request: Request, name: str) -> str:
        return f"{name} {request.scope['route'].name}"

    @inner.websocket("/socket")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()

    @closed.get("/door")
    async def door() -> None: ...

    @forms.post("")
    async def fill_in(name: Annotated[str, Form()]) -> str:
        return name

    @loud.get("/word")
    async def word() -> str:
        return "word"

    mounted = APIRouter()
    mounted.mount("/files", Starlette())
    for router in (inner, closed, forms, loud):
        outer.include_router(router)
    app = FastAPI(openapi_url=None)
    set_up(app, (versions, outer, mounted), settings)
    return app


async def test_features_of_routers_work_behind_the_shortcut(things: FastAPI, state: State) -> None:
    async with client_of(things, state) as client:
        get, base = client.get, "/api/v1/things"
        assert (await get(f"{base}/7")).json() == {"number": 7, "colour": "green"}
        assert (await get(f"{base}/7", headers={"version": "2"})).json() == {"second": 7}
        assert (await get(f"{base}/inner/ada")).json() == "ada show_inner"
        assert (await get(f"{base}/closed/door")).status_code == 403
        assert (await get(f"{base}/loud/word")).text == '"WORD"'
        assert (await client.post(f"{base}/forms", data={"name": "ada"})).json() == "ada"
        assert (await client.post(f"{base}/forms", data={"name": "ada", "age": "36"})).status_code == 400
        assert (await client.delete(f"{base}/7")).status_code == 405
        assert (await get(f"{base}/7/")).headers["location"] == f"http://service{base}/7"
        assert (await get("/api/v1/files/none")).status_code == 404
        assert things.url_path_for("show_inner", name="ada") == f"{base}/inner/ada"
        things.dependency_overrides[colour] = lambda: "blue"
        assert (await get(f"{base}/7")).json() == {"number": 7, "colour": "blue"}


def test_fastapi_is_told_the_route_for_opentelemetry(things: FastAPI) -> None:
    shortcut = shortcut_of(things)
    traced = {**request("GET", "/api/v1/things/inner/ada"), "fastapi.telemetry": object()}
    assert shortcut.matches(traced)[0] is Match.FULL
    assert shortcut.path_format == "/api/v1/things/inner/{name}"


def test_document_has_what_the_routers_say(things: FastAPI) -> None:
    operation = things.openapi()["paths"]["/api/v1/things/inner/{name}"]["get"]
    assert operation["tags"] == ["things"]
    assert operation["deprecated"] is True


@pytest.mark.parametrize(
    ("scope", "match"),
    [
        (request("GET", "/api/v1/things/7"), Match.NONE),
        (request("GET", "/api/v1/things/inner/ada"), Match.FULL),
        (request("POST", "/api/v1/things/forms"), Match.NONE),
        ({"type": "websocket", "path": "/api/v1/things/inner/socket", "headers": []}, Match.NONE),
        (request("GET", "/livez"), Match.NONE),
    ],
    ids=["own matching", "plain", "form", "websocket", "after a mount"],
)
def test_only_plain_routes_take_the_shortcut(things: FastAPI, scope: Scope, match: Match) -> None:
    assert shortcut_of(things).matches(scope)[0] is match


def test_first_route_of_a_name_is_found_whatever_its_class(settings: Settings) -> None:
    special, plain = APIRouter(route_class=ByVersion), APIRouter()
    special.add_api_route("/first", lambda: None, name="show")
    plain.add_api_route("/second", lambda: None, name="show")
    app = FastAPI(openapi_url=None)
    set_up(app, (special, plain), settings)
    assert app.url_path_for("show") == "/api/v1/first"


async def test_route_that_is_added_before_the_routers_comes_first(settings: Settings, state: State) -> None:
    router = APIRouter(prefix="/things")

    @router.get("/{name}")
    async def show(name: str) -> str:
        return name

    app = create_app(settings)
    plain = FastAPI(openapi_url=None)
    plain.add_api_route("/api/v1/things/first", lambda: "first")
    set_up(plain, (router,), settings)
    async with client_of(plain, state) as client:
        assert (await client.get("/api/v1/things/first")).json() == "first"
        assert (await client.get("/api/v1/things/second")).json() == "second"
    assert isinstance(app.routes[0], RouteShortcut)


async def test_route_that_is_added_later_is_found(app: FastAPI, client: httpx.AsyncClient) -> None:
    await client.get("/livez")

    @app.get("/later")
    async def later() -> str:
        return "later"

    assert (await client.get("/later")).json() == "later"
