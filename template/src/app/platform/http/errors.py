"""The failures of HTTP itself; those of the service are in `app/platform/errors.py` and beside each feature."""

from app.platform.errors import AppError


class ValidationFailed(AppError):
    """The request does not match the API's description."""

    status = 422
    code = "validation_error"
    title = "Invalid request"


class Malformed(AppError):
    """The request cannot be read at all."""

    status = 400
    code = "bad_request"
    title = "Malformed request"


class NotFound(AppError):
    """There is no such path."""

    status = 404
    code = "not_found"
    title = "Not found"


class MethodNotAllowed(AppError):
    """The path does not know this method."""

    status = 405
    code = "method_not_allowed"
    title = "Method not allowed"


class TooLarge(AppError):
    """The body has more bytes than this route accepts."""

    status = 413
    code = "content_too_large"
    title = "Request body too large"


class UnsupportedType(AppError):
    """The body is not of a media type this route accepts."""

    status = 415
    code = "unsupported_media_type"
    title = "Unsupported media type"


class ClientLeft(AppError):
    """The client closed the connection before its request was complete; the status is nginx's for this, for logs."""

    status = 499
    code = "client_closed_request"
    title = "Client closed the request"
