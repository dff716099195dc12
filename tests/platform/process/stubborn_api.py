"""`python -m app api` whose resources keep it from ending, and whose patience is short."""

import asyncio
import os
import threading
import time
from importlib import import_module

from app import __main__ as program
from app.platform import ending
from app.resources import Resources

HOUR = 3600.0


async def swallow() -> None:
    """Wait for ever, as a library that swallows each cancellation."""
    while True:
        try:
            await asyncio.sleep(HOUR)
        except asyncio.CancelledError:
            continue


class Stubborn:
    """A resource whose `warm_up` swallows its cancellation."""

    async def warm_up(self) -> None:
        """Do not end."""
        await swallow()

    async def close(self) -> None:
        """Leave a thread that does not end."""
        threading.Thread(target=time.sleep, args=(HOUR,), name="forgotten").start()


class Hanging:
    """A resource that does not close."""

    async def close(self) -> None:
        """Wait for ever."""
        await asyncio.sleep(HOUR)


class StubbornResources(Resources):
    """They are closed in the opposite sequence."""

    warm_up_seconds = 0.1
    close_seconds = 0.2

    async def open_own(self) -> None:
        await super().open_own()
        if "HANGS" in os.environ:
            await swallow()
        self.add("stubborn", Stubborn())
        self.add("hanging", Hanging())


# `create_app` looks it up there
vars(import_module("app.main"))["Resources"] = StubbornResources
ending.LAST_SECONDS = ending.CLOSING_SECONDS = 0.5

if __name__ == "__main__":
    program.main()
