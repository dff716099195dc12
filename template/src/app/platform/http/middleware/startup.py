"""Report a failed start in one line instead of a traceback."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.platform.errors import StartupError
from app.platform.settings import ConfigError
from app.platform.tracebacks import render


class StartupMessageMiddleware:
    """Gives uvicorn the reason for a failed start to log; Starlette would give it the traceback, with values."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        failed: Message = {}

        async def hold_back(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                failed.update(message)
            else:
                await send(message)

        try:
            await self._app(scope, receive, hold_back)
        except (ConfigError, StartupError) as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        except BaseException as error:
            if failed:
                await send({**failed, "message": render((type(error), error, error.__traceback__))})
            raise
