"""What the OpenAPI document says about routes of any feature."""

from datetime import time
from typing import Any
from uuid import UUID

import pytest
from fastapi import APIRouter, FastAPI

from app.config import Settings
from app.platform.http.application import set_up
from app.platform.http.openapi import responses
from app.platform.idempotency import IdempotencyKeyReused
from app.platform.schemas import RequestModel, ResponseModel


class Opening(RequestModel):
    """A body with a time."""

    opens_at: time


class Shop(ResponseModel):
    """An answer with a time."""

    opens_at: time | None


@pytest.fixture
def document(settings: Settings) -> dict[str, Any]:
    router = APIRouter(prefix="/shops")

    @router.put("/{shop_id:uuid}", responses=responses(IdempotencyKeyReused))
    async def open_shop(shop_id: UUID, body: Opening) -> Shop:
        return Shop(opens_at=body.opens_at if shop_id.int else None)

    app = FastAPI(openapi_url=None)
    set_up(app, [router], settings)
    return app.openapi()


@pytest.fixture
def operation(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"]["/api/v1/shops/{shop_id}"]["put"]
    return found


def examples(operation: dict[str, Any], status: str) -> set[str]:
    return set(operation["responses"][status]["content"]["application/problem+json"]["examples"])


def test_errors_of_a_route_join_those_of_all_routes(operation: dict[str, Any]) -> None:
    assert examples(operation, "422") == {"idempotency_key_reused", "validation_error", "value_refused"}
    assert "Idempotency key was used for another request / " in operation["responses"]["422"]["description"]


def test_malformed_parameter_of_a_path_is_described(operation: dict[str, Any]) -> None:
    assert examples(operation, "404") == {"not_found"}


@pytest.mark.parametrize("name", ["Opening", "Shop"])
def test_times_have_no_offset(document: dict[str, Any], name: str) -> None:
    described = document["components"]["schemas"][name]["properties"]["opens_at"]
    text = described.get("anyOf", [described])[0]
    assert text["format"] == "time-local"
    assert text["pattern"].startswith("^(")
