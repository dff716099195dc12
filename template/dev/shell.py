"""A Python prompt on the service's database: `make shell`. It knows `resources` and `services`, and `await` works."""

import ast
import asyncio
import sys
import traceback
from code import InteractiveConsole
from collections.abc import Coroutine, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from inspect import iscoroutine
from threading import Thread
from types import CodeType, FunctionType
from typing import Any

from app.config import load_settings
from app.platform import cli, logging
from app.resources import Resources
from app.services import Services

BANNER = "`resources` and `services` are open, and `await` works: await resources.database.ping(). Ctrl-D ends."


class Console(InteractiveConsole):
    """A prompt that runs what is typed in an event loop of another thread, so that Ctrl-C interrupts what it awaits."""

    def __init__(self, loop: asyncio.AbstractEventLoop, names: dict[str, Any]) -> None:
        super().__init__(names)
        self.compile.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        self._loop = loop

    def runcode(self, code: CodeType) -> None:
        """Run one input to its end."""
        waiting = asyncio.run_coroutine_threadsafe(self._call(code), self._loop)
        error: BaseException | None
        try:
            error = waiting.result()
        except KeyboardInterrupt:
            waiting.cancel()
            raise
        except CancelledError as cancelled:
            # the input has cancelled the task that it runs in
            error = cancelled
        if isinstance(error, SystemExit):
            raise error
        if error is not None:
            traceback.print_exception(error)

    async def _call(self, code: CodeType) -> BaseException | None:
        try:
            result = FunctionType(code, self.locals)()
            if iscoroutine(result):
                await result
        except BaseException as error:  # noqa: BLE001 (exit() must end the prompt and not the loop)
            return error
        return None


@contextmanager
def running_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Run an event loop in another thread."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def main() -> None:
    """Open the resources, ask until the input ends, and close them."""
    with suppress(ImportError):
        import readline  # noqa: F401, PLC0415 (gives the prompt a history; not on every system)
    settings = load_settings()
    logging.configure(settings.log, settings.process.environment)
    with running_loop() as loop:

        def run(work: Coroutine[Any, Any, Any]) -> Any:
            return asyncio.run_coroutine_threadsafe(work, loop).result()

        resources = run(Resources(settings).__aenter__())
        try:
            names = {"resources": resources, "services": Services(resources)}
            Console(loop, names).interact(BANNER, exitmsg="")
        finally:
            run(resources.__aexit__(None, None, None))


if __name__ == "__main__":
    with cli.errors_in_one_line():
        main()
    sys.exit(0)
