"""The documentation of the API: its OpenAPI document, and two pages that show it, without files from other servers.

`HTTP_DOCS` switches all of it. The package fastapi-offline has the files of Swagger UI and Redoc.
"""

import base64
import copy
import hashlib
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html, get_swagger_ui_oauth2_redirect_html
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

from app.platform.settings import Environment, PlatformSettings

ASSETS = "/docs/assets"

_URLS = frozenset({"authorizationUrl", "refreshUrl", "tokenUrl"})
_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
# Both pages put styles into their elements, and Redoc searches in a worker that it makes from a blob.
_POLICY = (
    "default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


router = APIRouter(include_in_schema=False)


def install(app: FastAPI, settings: PlatformSettings) -> None:
    """Serve the documentation: by default in development only."""
    wanted = settings.http.docs
    if settings.process.environment is Environment.DEVELOPMENT if wanted is None else wanted:
        app.include_router(router)


@router.get("/openapi.json")
async def openapi(request: Request) -> JSONResponse:
    """Show the OpenAPI document."""
    document = request.app.openapi()
    if prefix := _prefix(request):
        document = copy.deepcopy(document) | {"servers": [{"url": prefix}]}
        for flow in _flows(document):
            # resolved against the URL of the server, of which a path replaces the path
            flow |= {name: f"{prefix}{url}" for name, url in flow.items() if name in _URLS and url.startswith("/")}
    return JSONResponse(document)


@router.get("/docs")
async def swagger_ui(request: Request) -> HTMLResponse:
    """Show the document in Swagger UI."""
    prefix = _prefix(request)
    page = get_swagger_ui_html(
        openapi_url=f"{prefix}/openapi.json",
        title=request.app.title,
        oauth2_redirect_url=f"{prefix}/docs/oauth2-redirect",
        swagger_js_url=f"{prefix}{ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{prefix}{ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{prefix}{ASSETS}/favicon.png",
    )
    return _with_policy(page)


@router.get("/docs/oauth2-redirect")
async def oauth2_redirect() -> HTMLResponse:
    """Receive the answer of an OAuth2 server, for the sign-in in Swagger UI."""
    return _with_policy(get_swagger_ui_oauth2_redirect_html())


@router.get("/redoc")
async def redoc(request: Request) -> HTMLResponse:
    """Show the document in Redoc."""
    prefix = _prefix(request)
    page = get_redoc_html(
        openapi_url=f"{prefix}/openapi.json",
        title=request.app.title,
        redoc_js_url=f"{prefix}{ASSETS}/redoc.standalone.js",
        redoc_favicon_url=f"{prefix}{ASSETS}/favicon.png",
        with_google_fonts=False,
    )
    return _with_policy(page)


# not a mount, which does not find its files when a proxy has removed a prefix from the path
@router.get(f"{ASSETS}/{{name}}")
async def asset(request: Request, name: str) -> Response:
    """Return a file of Swagger UI or Redoc."""
    return await _files().get_response(name, request.scope)


@lru_cache(maxsize=1)
def _files() -> StaticFiles:
    return StaticFiles(packages=[("fastapi_offline", "static")])


def _flows(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the OAuth2 flows of the document."""
    for scheme in document["components"].get("securitySchemes", {}).values():
        yield from scheme.get("flows", {}).values()


def _prefix(request: Request) -> str:
    """Return the path that a proxy serves this application under."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def _with_policy(page: HTMLResponse) -> HTMLResponse:
    """Allow the page its own inline scripts, by their hashes, and the files of this service."""
    scripts = _INLINE_SCRIPT.findall(bytes(page.body).decode())
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    policy = _POLICY.format(scripts=" ".join(f"'sha256-{value}'" for value in hashes))
    page.headers["Content-Security-Policy"] = policy
    return page
