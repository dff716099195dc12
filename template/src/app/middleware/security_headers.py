"""Headers that tell browsers to trust responses less."""

from secure import Secure
from secure.headers import (
    CacheControl,
    ContentSecurityPolicy,
    ReferrerPolicy,
    StrictTransportSecurity,
    XContentTypeOptions,
    XFrameOptions,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_DOCS = frozenset({"/docs", "/docs/oauth2-redirect", "/redoc"})


def _encode(**headers: object) -> list[tuple[bytes, bytes]]:
    secure = Secure(
        hsts=StrictTransportSecurity().max_age(31_536_000),
        xcto=XContentTypeOptions().nosniff(),
        xfo=XFrameOptions().deny(),
        referrer=ReferrerPolicy().no_referrer(),
        cache=CacheControl().no_store(),
        **headers,  # type: ignore[arg-type] # the one keyword is a policy
    )
    return [(name.lower().encode(), value.encode()) for name, value in secure.headers.items()]


class SecurityHeaders:
    """Adds the headers, encoded once. The documentation pages may load scripts; an API's answers need nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._api = _encode(csp=ContentSecurityPolicy().default_src("'none'").frame_ancestors("'none'"))
        self._docs = _encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = self._docs if scope["path"] in _DOCS else self._api

        async def add_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        await self._app(scope, receive, add_headers)
