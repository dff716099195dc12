"""The middleware: what surrounds a request, outermost first."""

from typing import Any

from limits import parse
from starlette.middleware import Middleware

from app.config import Settings
from app.platform.http.limits import OPERATIONS, MarkedRoutes
from app.platform.http.middleware.access_log import AccessLogMiddleware
from app.platform.http.middleware.authentication import AuthenticationMiddleware
from app.platform.http.middleware.body_limit import BodyLimitMiddleware
from app.platform.http.middleware.concurrency_limit import concurrency_limit
from app.platform.http.middleware.cors import CorsMiddleware
from app.platform.http.middleware.head import HeadMiddleware
from app.platform.http.middleware.rate_limit import RateLimitMiddleware
from app.platform.http.middleware.request_id import request_id_middleware
from app.platform.http.middleware.security_headers import SecurityHeadersMiddleware
from app.platform.http.middleware.startup import StartupMessageMiddleware
from app.platform.http.middleware.timing import TimingMiddleware
from app.platform.http.middleware.unexpected_errors import UnexpectedErrorMiddleware
from app.routes import ROUTERS

CORS: dict[str, Any] = {
    "allow_methods": ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"],
    "allow_headers": ["Authorization", "Content-Type", "Idempotency-Key", "X-Request-ID"],
    "expose_headers": [
        "Idempotency-Replayed",
        "Location",
        "Retry-After",
        "X-RateLimit-Limit",
        "X-RateLimit-Remaining",
        "X-RateLimit-Reset",
        "X-Request-ID",
        "X-Response-Time",
    ],
}


def build_stack(settings: Settings) -> list[Middleware]:
    """The middleware, outermost first: each one sees what those below it did, also when they refused the request."""
    http = settings.http
    return [
        Middleware(StartupMessageMiddleware),
        request_id_middleware(),
        Middleware(CorsMiddleware, allow_origins=http.cors_origins, **CORS),
        Middleware(TimingMiddleware),
        Middleware(AccessLogMiddleware, exclude=OPERATIONS),
        Middleware(SecurityHeadersMiddleware),
        Middleware(HeadMiddleware),
        Middleware(UnexpectedErrorMiddleware),
        *concurrency_limit(http.max_concurrency, exclude=OPERATIONS),
        Middleware(BodyLimitMiddleware, settings=http, large=MarkedRoutes.with_large_body(ROUTERS)),
        Middleware(AuthenticationMiddleware, settings=settings.auth),
        Middleware(
            RateLimitMiddleware,
            limit=parse(http.rate_limit),
            strict=MarkedRoutes.with_strict_rate_limit(ROUTERS),
            strict_limit=parse(http.login_rate_limit),
            exclude=OPERATIONS,
        ),
        # add your own below
    ]
