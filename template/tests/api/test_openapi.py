"""The OpenAPI document, which clients are generated from."""

from typing import Any

import pytest
from fastapi import FastAPI

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture
def document(app: FastAPI) -> dict[str, Any]:
    return app.openapi()


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for item in document["paths"].values() for method, operation in item.items() if method in METHODS]


def test_operation_ids_are_stable_and_unique(document: dict[str, Any]) -> None:
    found = [operation["operationId"] for operation in operations(document)]
    assert len(set(found)) == len(found)
    assert set(found) >= {
        "sign_in",
        "refresh",
        "sign_out",
        "create_user",
        "get_me",
        "update_me",
        "delete_me",
        "get_user",
        "list_users",
        "livez",
        "readyz",
        "prometheus",
    }


def test_every_operation_is_described(document: dict[str, Any]) -> None:
    for operation in operations(document):
        assert operation["tags"], operation["operationId"]
        assert operation["description"], operation["operationId"]


def test_every_failure_is_a_problem(document: dict[str, Any]) -> None:
    api = [path for path in document["paths"] if path.startswith("/api/")]
    for path in api:
        for operation in document["paths"][path].values():
            failures = {status: entry for status, entry in operation["responses"].items() if int(status) >= 400}
            assert {"422", "429", "500", "503"} <= set(failures), path
            for entry in failures.values():
                assert list(entry["content"]) == ["application/problem+json"], path
                schema = entry["content"]["application/problem+json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Problem"}
    assert "Problem" in document["components"]["schemas"]
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_routes_that_need_a_token_say_so(document: dict[str, Any]) -> None:
    public = {"sign_in", "refresh", "sign_out", "create_user", "livez", "readyz", "prometheus"}
    for operation in operations(document):
        assert (operation["security"] == []) == (operation["operationId"] in public), operation["operationId"]
    assert document["components"]["securitySchemes"]["OAuth2PasswordBearer"]["type"] == "oauth2"


def test_created_resources_have_a_location(document: dict[str, Any]) -> None:
    for operation in operations(document):
        created, name = operation["responses"].get("201"), operation["operationId"]
        assert created is None or "Location" in created.get("headers", {}), f"{name} needs Created (docs/features.md)"


def test_schemas_have_titles_of_their_own(document: dict[str, Any]) -> None:
    titles = [schema["title"] for schema in document["components"]["schemas"].values()]
    assert len(set(titles)) == len(titles)


def test_fields_that_are_always_sent_are_required(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert set(schemas["Page_UserRead_"]["required"]) == {"items", "next_cursor"}
    assert set(schemas["TokenPair"]["required"]) == set(schemas["TokenPair"]["properties"])
