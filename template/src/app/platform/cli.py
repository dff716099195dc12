"""Run the commands of `python -m app <command>`."""

import argparse
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy.exc import SQLAlchemyError

from app.platform import logging
from app.platform.db import startup
from app.platform.errors import AppError, StartupError
from app.platform.settings import ConfigError, LogSettings, ProcessSettings, load
from app.platform.traces_settings import TracesSettings

PROGRAM = "python -m app"

# `__main__` imports FastAPI after this module, and that fails if a propagator is not installed
if "OTEL_PROPAGATORS" in os.environ:
    try:
        load(TracesSettings)
    except ConfigError as problem:
        sys.exit(f"{PROGRAM}: {problem}")


def _positional(parser: argparse.ArgumentParser, function: Callable[..., None]) -> None:
    for name, parameter in inspect.signature(function, eval_str=True).parameters.items():
        optional: dict[str, Any] = {}
        if parameter.default is not parameter.empty:
            optional = {"nargs": "?", "default": parameter.default}
        parser.add_argument(name, type=_reader(parameter.annotation), **optional)


def _reader(annotation: Any) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return TypeAdapter(annotation).validate_strings(text)
        except ValidationError as error:
            raise argparse.ArgumentTypeError(error.errors()[0]["msg"]) from None

    return read


@dataclass(frozen=True, slots=True)
class Command:
    """A command with the name of its function; the function's docstring is the help text.

    Without `add_arguments` each parameter of the function is a positional argument of the parameter's type; one with a
    default may be left out.
    """

    function: Callable[..., None]
    add_arguments: Callable[[argparse.ArgumentParser], None] | None = None

    def add_to(self, commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
        """Add this command to the parser's commands."""
        name, text = self.function.__name__.replace("_", "-"), (self.function.__doc__ or "").replace("%", "%%")
        parser = commands.add_parser(name, help=text, description=text)
        parser.set_defaults(function=self.function)
        if self.add_arguments:
            self.add_arguments(parser)
        else:
            _positional(parser, self.function)


def run(description: str | None, commands: Iterable[Command]) -> None:
    """Run the command given on the command line."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=description)
    known = parser.add_subparsers(required=True)
    for each in commands:
        each.add_to(known)
    arguments = vars(parser.parse_args())
    with errors_in_one_line():
        logging.configure(load(LogSettings), load(ProcessSettings).environment)
        arguments.pop("function")(**arguments)


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Print an error that the user or operator can fix in one line, with exit status 1; a bug keeps its traceback."""
    try:
        yield
    except (AppError, ConfigError, StartupError) as error:
        sys.exit(f"{PROGRAM}: {error}")
    except SQLAlchemyError as error:
        if (reason := startup.temporary_reason(error)) is None:
            raise
        sys.exit(f"{PROGRAM}: PostgreSQL cannot do this now: {reason}")
