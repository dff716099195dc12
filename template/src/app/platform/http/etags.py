"""ETags: clients that have a response already get 304 without a body while it is still the same.

The response is made as without them, so whoever may not see it gets the same refusal as ever.
"""

import hashlib
from typing import Annotated, Any, TypeVar, cast

from fastapi import Depends, Request, Response
from pydantic import BaseModel

ModelT = TypeVar("ModelT", bound=BaseModel)

_DESCRIPTION = "Send it as `If-None-Match`: the answer is 304, without a body, while nothing has changed."

UNCHANGED: dict[int | str, dict[str, Any]] = {
    200: {"headers": {"ETag": {"description": _DESCRIPTION, "schema": {"type": "string"}}}}
}
"""The OpenAPI response of routes that use `Unchanged`.

304 is none of its own: generated clients do not send the header, and would return `Any` for a body that is missing.
"""

# what a route may say about its response, such as `response_model_exclude_none`
_SHAPE = ("include", "exclude", "by_alias", "exclude_unset", "exclude_defaults", "exclude_none")


class Tagged:
    """Answers the request of the route that depends on it."""

    def __init__(self, request: Request, response: Response) -> None:
        self._request = request
        self._response = response

    def unless_known(self, model: ModelT) -> ModelT:
        """Return what the route is to return: a response with the model and its ETag, or 304 if the client has it.

        The tag is weak, since middleware or a proxy may compress the body. Clients may keep the response, but have to
        ask each time whether it is still the same.

        Raises:
            TypeError: the route is declared to return another model, whose fields may be fewer.
        """
        route = self._request.scope["route"]
        if route.response_model is not type(model):
            message = f"this route returns {route.response_model}, not {type(model)}"
            raise TypeError(message)
        # made once, for the tag and for the body; FastAPI sends a response as it is
        shape: dict[str, Any] = {name: getattr(route, f"response_model_{name}") for name in _SHAPE}
        body = model.__pydantic_serializer__.to_json(model, **shape)
        tag = f'W/"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
        reads = self._request.method in {"GET", "HEAD"}
        known = reads and _is_known(tag, self._request.headers.getlist("if-none-match"))
        made = Response(status_code=304) if known else Response(body, media_type="application/json")
        made.raw_headers += self._response.raw_headers
        made.headers.update({"ETag": tag, "Cache-Control": "private, no-cache"})
        return cast("ModelT", made)


def _is_known(tag: str, conditions: list[str]) -> bool:
    """Return whether the header `If-None-Match` names the tag (RFC 9110, section 13.1.2: weak comparison)."""
    listed = {each.strip().removeprefix("W/") for condition in conditions for each in condition.split(",")}
    return "*" in listed or tag.removeprefix("W/") in listed


# not the class itself: FastAPI would call it in another thread, because it is no coroutine function
async def tagged(request: Request, response: Response) -> Tagged:
    """Return what answers the request."""
    return Tagged(request, response)


Unchanged = Annotated[Tagged, Depends(tagged, scope="request")]
