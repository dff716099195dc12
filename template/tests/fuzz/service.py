"""The service with one more route, which takes every type: `python -m tests.fuzz.service`."""

import uvicorn
from fastapi import FastAPI

from app.api.router import FAILURES
from app.config import load_settings
from app.main import create_app
from tests.support.everything import Everything


def create_fuzzed_app() -> FastAPI:
    """The application that is fuzzed."""
    app = create_app()

    @app.post("/everything", tags=["test"], status_code=204, responses=FAILURES)
    async def everything(body: Everything) -> None:
        """Take a body with values of every type."""

    return app


if __name__ == "__main__":
    uvicorn.run("tests.fuzz.service:create_fuzzed_app", factory=True, port=load_settings().http.port, log_config=None)
