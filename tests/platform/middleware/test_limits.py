"""`@large_body`: the paths that accept large bodies, wherever their router is included."""

import pytest
from fastapi import APIRouter

from app.platform.http.limits import large_body, large_body_paths


def routers(path: str) -> tuple[APIRouter, APIRouter]:
    """A marked route in a router, and a router that includes it, as does the second router of a service."""
    inner, outer = APIRouter(prefix="/files"), APIRouter(prefix="/projects")

    @inner.post(path)
    @large_body
    async def upload() -> None: ...

    @inner.post("/small")
    async def small() -> None: ...

    outer.include_router(inner, prefix="/all")
    return inner, outer


def test_marked_routes_are_found() -> None:
    inner, _ = routers("/large")
    assert large_body_paths([APIRouter(), inner]) == {"/api/v1/files/large"}


def test_marked_routes_are_found_in_included_routers() -> None:
    _, outer = routers("/large")
    assert large_body_paths([outer]) == {"/api/v1/projects/all/files/large"}


@pytest.mark.parametrize("number", [0, 1])
def test_path_with_parameters_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match=r"large_body needs a path without parameters: /api/v1/.*files/\{name\}"):
        large_body_paths([routers("/{name}")[number]])
