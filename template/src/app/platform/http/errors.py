"""The errors of HTTP itself. `app/platform/errors.py` and the features have the other errors."""

from app.platform.errors import AppError


class ValidationFailed(AppError):
    """The request does not match the API's description."""

    status = 422
    code = "validation_error"
    title = "Invalid request"


class Malformed(AppError):
    """The request cannot be parsed."""

    status = 400
    code = "bad_request"
    title = "Malformed request"


class PreflightRefused(AppError):
    """CORS does not allow this request from its origin."""

    status = 400
    code = "preflight_refused"
    title = "Cross-origin request refused"


class NotFound(AppError):
    """The path does not exist."""

    status = 404
    code = "not_found"
    title = "Not found"


class MethodNotAllowed(AppError):
    """The path does not support this method."""

    status = 405
    code = "method_not_allowed"
    title = "Method not allowed"


class TooLarge(AppError):
    """The body has more bytes than this route accepts."""

    status = 413
    code = "content_too_large"
    title = "Request body too large"


class BodyTimeout(AppError):
    """The client took longer to send the body than `HTTP_BODY_TIMEOUT` and `HTTP_BODY_MIN_RATE` allow."""

    status = 408
    code = "body_timeout"
    title = "The request body took too long"


class UnsupportedType(AppError):
    """The body is compressed, or of a media type that this route does not accept; `accept` names those it accepts."""

    status = 415
    code = "unsupported_media_type"
    title = "Unsupported media type"

    def __init__(self, detail: str | None = None, *, accept: str | None = None) -> None:
        super().__init__(detail or (f"Send {accept}." if accept else None))
        self.accept = accept


class ClientLeft(AppError):
    """The client closed the connection before its request was complete. nginx logs the same status."""

    status = 499
    code = "client_closed_request"
    title = "Client closed the request"
