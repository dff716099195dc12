"""The order of everything that surrounds a request."""

from limits import parse
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from app.config import Settings
from app.middleware.access_log import AccessLog
from app.middleware.authentication import Authentication
from app.middleware.body_limit import BodyLimit
from app.middleware.failures import Failures
from app.middleware.rate_limit import RateLimit
from app.middleware.request_id import request_id_middleware
from app.middleware.security_headers import SecurityHeaders
from app.middleware.startup import StartupMessage
from app.middleware.timing import Timing

OPERATIONS = frozenset({"/livez", "/readyz", "/metrics"})
"""Paths that are neither logged nor limited: orchestrators ask for them all the time."""

SIGN_IN = "/api/v1/auth/token"
IMPORT = "/api/v1/orders/import"


def build_stack(settings: Settings) -> list[Middleware]:
    """The middleware, outermost first: each one sees what those below it did, also when they refused the request."""
    http = settings.http
    return [
        Middleware(StartupMessage),
        Middleware(
            CORSMiddleware,
            allow_origins=http.cors_origins,
            allow_methods=["DELETE", "GET", "PATCH", "POST", "PUT"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "X-Request-ID"],
            expose_headers=["Retry-After", "X-Request-ID", "X-Response-Time"],
        ),
        request_id_middleware(),
        Middleware(Timing),
        Middleware(AccessLog, exclude=OPERATIONS),
        Middleware(SecurityHeaders),
        Middleware(Failures),
        Middleware(BodyLimit, max_bytes=http.max_body_bytes, per_path={IMPORT: http.max_import_bytes}),
        Middleware(Authentication, settings=settings.auth),
        Middleware(
            RateLimit,
            limit=parse(http.rate_limit),
            per_path={SIGN_IN: parse(http.login_rate_limit)},
            exclude=OPERATIONS,
        ),
        # add your own below
    ]
