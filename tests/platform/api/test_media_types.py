"""Bodies of a media type that the route does not accept are refused with status 415."""

import gzip

import httpx2 as httpx
import pytest
from fastapi import FastAPI

from tests.support.client import problem

JSON = "application/json"
FORMS = "application/x-www-form-urlencoded, multipart/form-data"
MULTIPART = (
    b"".join(
        b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\nada\r\n' % name for name in (b"username", b"password")
    )
    + b"--b--\r\n"
)
PERSON = b'{"email": "ada@example.com", "password": "correct horse"}'


@pytest.mark.parametrize("given", ["text/plain", "application/xml", "application/x-www-form-urlencoded", "json", ""])
async def test_json_route_names_the_type_that_it_accepts(client: httpx.AsyncClient, given: str) -> None:
    headers = {"Content-Type": given} if given else {}
    answer = await client.post("/api/v1/users", content=PERSON, headers=headers)
    document = problem(answer, 415, "unsupported_media_type")
    assert answer.headers["accept"] == JSON
    assert document["detail"] == "Send application/json."


@pytest.mark.parametrize("given", ["application/json", "Application/JSON; charset=utf-8", "application/vnd.me+json"])
async def test_every_spelling_of_json_is_accepted(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.post("/api/v1/users", content=PERSON, headers={"Content-Type": given})
    assert answer.status_code == 201
    answer = await client.post("/api/v1/users", content=b"{}", headers={"Content-Type": given})
    problem(answer, 422, "validation_error")


async def test_form_route_names_the_types_that_it_accepts(client: httpx.AsyncClient) -> None:
    form = {"username": "ada@example.com", "password": "correct horse"}
    answer = await client.post("/api/v1/auth/token", json=form)
    problem(answer, 415, "unsupported_media_type")
    assert answer.headers["accept"] == FORMS
    assert (await client.post("/api/v1/auth/token", data=form)).status_code == 401


async def test_missing_body_is_invalid_whatever_its_type(client: httpx.AsyncClient) -> None:
    problem(await client.post("/api/v1/users", headers={"Content-Type": "text/plain"}), 422, "validation_error")
    problem(await client.post("/api/v1/users"), 422, "validation_error")


async def test_body_of_unknown_length_has_a_type_too(client: httpx.AsyncClient) -> None:
    async def chunks() -> object:
        yield PERSON

    answer = await client.post("/api/v1/users", content=chunks(), headers={"Content-Type": "text/plain"})  # type: ignore[arg-type]
    problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("path", "given", "body"),
    [
        ("users", JSON, PERSON),
        ("auth/token", FORMS.partition(",")[0], b"username=a&password=b"),
        ("auth/token", "multipart/form-data; boundary=b", MULTIPART),
    ],
)
async def test_compressed_body_is_refused_as_such(
    client: httpx.AsyncClient, path: str, given: str, body: bytes
) -> None:
    headers = {"Content-Type": given, "Content-Encoding": "gzip"}
    answer = await client.post(f"/api/v1/{path}", content=gzip.compress(body), headers=headers)
    document = problem(answer, 415, "unsupported_media_type")
    assert document["detail"] == "Send the body as it is, without Content-Encoding."
    answer = await client.post(f"/api/v1/{path}", content=body, headers=headers | {"Content-Encoding": "identity"})
    assert answer.status_code in {201, 401}


async def test_refusal_is_described(app: FastAPI) -> None:
    for item in app.openapi()["paths"].values():
        for operation in item.values():
            assert ("415" in operation["responses"]) == ("requestBody" in operation)
