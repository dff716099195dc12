"""The media types of request bodies: which ones a route accepts, and whether a request has one of them, as it is."""

from email.message import Message

from fastapi import Request

from app.platform.http.errors import UnsupportedType

JSON = "application/json"
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def refusal(request: Request) -> UnsupportedType | None:
    """Return the error for a body that cannot be read; `None` if its type is right, or if there is none."""
    if error := encoded(request):
        return error
    accept = accepted_instead(request)
    return UnsupportedType(accept=accept) if accept else None


def is_parsed(request: Request) -> bool:
    """Return whether FastAPI parses the body of the request's route; false if its function reads the body itself."""
    return _accepted(request) is not None


def encoded(request: Request) -> UnsupportedType | None:
    """Return the error for a compressed body, which no route unpacks: a small one could become a huge one."""
    if request.headers.get("content-encoding", "").strip().lower() in {"", "identity"}:
        return None
    return UnsupportedType("Send the body as it is, without Content-Encoding.")


def accepted_instead(request: Request) -> str | None:
    """Return the types that the request's route accepts; `None` if the request has one of them, or has no body."""
    headers = request.headers
    if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return None
    accepted = _accepted(request)
    if accepted is None or _matches(headers.get("content-type", ""), accepted):
        return None
    return ", ".join(accepted)


def _accepted(request: Request) -> tuple[str, ...] | None:
    """Return the media types of a route with a body; `None` for a route without one."""
    route = request.scope.get("fastapi", {}).get("effective_route_context") or request.scope.get("route")
    body = getattr(route, "body_field", None)
    if body is None:
        return None
    declared = getattr(body.field_info, "media_type", JSON)
    return FORMS if declared in FORMS else (declared,)


def _matches(content_type: str, accepted: tuple[str, ...]) -> bool:
    message = Message()
    message["content-type"] = content_type or "application/octet-stream"
    found = message.get_content_type()
    # FastAPI reads every type that ends like this as JSON
    return found in accepted or (JSON in accepted and found.startswith("application/") and found.endswith("+json"))
