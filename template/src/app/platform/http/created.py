"""The headers of answers with status 201: where the new resource is, and whether an earlier answer is repeated."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, Request, Response

from app.platform.idempotency import Claim

# characters of a path (RFC 3986, section 3.3); % begins one that is already encoded
_SAFE = "/%:@!$&'()*+,;=~"
_LOCATION = {"description": "The path of the new resource.", "schema": {"type": "string"}}
_REPLAYED = {
    "description": "Present when an earlier request with the same Idempotency-Key got this answer already.",
    "schema": {"type": "string", "enum": ["true"]},
}

CREATED: dict[int | str, dict[str, Any]] = {201: {"headers": {"Location": _LOCATION}}}
"""The OpenAPI response of routes that use `Created`."""

CREATED_ONCE: dict[int | str, dict[str, Any]] = {
    201: {"headers": {"Location": _LOCATION, "Idempotency-Replayed": _REPLAYED}}
}
"""The same for routes that accept an idempotency key."""

REPLAYED: dict[int | str, dict[str, Any]] = {200: {"headers": {"Idempotency-Replayed": _REPLAYED}}}
"""The OpenAPI response of routes that accept an idempotency key, and answer with status 200."""


class CreatedHeaders:
    """Adds the headers to the answer of the route that depends on it."""

    def __init__(self, request: Request, response: Response) -> None:
        self._request = request
        self._response = response

    def at(self, route: str, claim: Claim | None = None, **parameters: object) -> None:
        """Name the route that shows the new resource, by the name of its function, and the parameters of its path.

        Parameters are percent-encoded, as everything in the header must be. Text with `/` needs a route with `:path`.
        """
        prefix = str(self._request.scope.get("root_path", "")).rstrip("/")
        encoded = {name: quote(each, safe="") if isinstance(each, str) else each for name, each in parameters.items()}
        path = self._request.app.url_path_for(route, **encoded)
        self._response.headers["Location"] = quote(f"{prefix}{path}", safe=_SAFE)
        self.repeated(claim)

    def repeated(self, claim: Claim | None) -> None:
        """Say whether the claim of an idempotency key found the answer to an earlier request."""
        if claim and claim.replayed:
            self._response.headers["Idempotency-Replayed"] = "true"


# not the class itself: FastAPI would call it in another thread, because it is no coroutine function
async def created_headers(request: Request, response: Response) -> CreatedHeaders:
    """Return what adds the headers to the answer."""
    return CreatedHeaders(request, response)


Created = Annotated[CreatedHeaders, Depends(created_headers, scope="request")]
