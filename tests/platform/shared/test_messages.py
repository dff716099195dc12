"""Messages of libraries and of Python itself reach the log without the values that they quote."""

import asyncio
import logging as stdlib
import threading
import warnings
from collections.abc import Callable

import pytest
import structlog
from fastapi.exceptions import ResponseValidationError
from pydantic import BaseModel, ValidationError

from app.platform import logging, tracebacks
from app.platform.settings import Environment, LogSettings

VALUE = "hunter2@example.com"


class Row(BaseModel):
    """A model that a row does not fit."""

    number: int


@pytest.fixture(autouse=True)
def _restore(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)


@pytest.fixture(params=[True, False], ids=["json", "text"])
def start(request: pytest.FixtureRequest) -> Callable[[], None]:
    """Return a function that configures the log, for the output that the test captures."""
    settings = LogSettings.model_construct(level="DEBUG", json_lines=request.param)
    return lambda: logging.configure(settings, Environment.PRODUCTION)


def invalid() -> ValidationError:
    with pytest.raises(ValidationError) as raised:
        Row.model_validate({"number": VALUE})
    return raised.value


def test_validation_errors_show_location_and_kind(capfd: pytest.CaptureFixture[str], start: Callable[[], None]) -> None:
    start()
    found = {"loc": ("response", "number"), "type": "int_parsing", "input": VALUE, "msg": "no"}
    for error in (invalid(), ResponseValidationError([found])):
        structlog.get_logger().error("failed", exc_info=error)
        stdlib.getLogger("library").error("failed: %s", error, exc_info=error)
    printed = "".join(capfd.readouterr())
    assert VALUE not in printed
    assert printed.count("number [int_parsing]") >= 4


async def test_lost_task_is_logged_without_its_error(
    capfd: pytest.CaptureFixture[str], start: Callable[[], None]
) -> None:
    start()
    error = invalid()
    context = {"message": "Task exception was never retrieved", "exception": error, "future": repr(error)}
    asyncio.get_running_loop().call_exception_handler(context)
    printed = "".join(capfd.readouterr())
    assert VALUE not in printed
    assert "Task exception was never retrieved" in printed
    assert "number [int_parsing]" in printed


def test_records_of_libraries_begin_at_info(capfd: pytest.CaptureFixture[str], start: Callable[[], None]) -> None:
    start()
    stdlib.getLogger("websockets.server").debug("> Authorization: %s", VALUE)
    stdlib.getLogger("websockets.server").info("connection open")
    structlog.get_logger().debug("ours")
    printed = "".join(capfd.readouterr())
    assert VALUE not in printed
    assert "connection open" in printed
    assert "ours" in printed


def test_record_that_cannot_be_formatted_is_named(capfd: pytest.CaptureFixture[str], start: Callable[[], None]) -> None:
    start()
    record = stdlib.LogRecord("library", stdlib.WARNING, "library.py", 7, "%d", (VALUE,), None)
    # not through the logger, because the handlers of pytest raise
    stdlib.getLogger().handlers[0].handle(record)
    out, errors = capfd.readouterr()
    assert errors == ""
    assert VALUE not in out
    assert "record_not_logged" in out


def test_warning_is_an_event_of_one_line(capfd: pytest.CaptureFixture[str], start: Callable[[], None]) -> None:
    start()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = logging._log_warning  # noqa: SLF001
        row = Row(number=1)
        row.__dict__["number"] = VALUE
        row.model_dump()
    out, errors = capfd.readouterr()
    assert errors == ""
    assert VALUE not in out
    assert "Pydantic serializer warnings" in out


def test_hooks_of_others_stay(
    capfd: pytest.CaptureFixture[str], start: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = threading.excepthook
    start()
    assert threading.excepthook is before
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    start()
    thread = threading.Thread(target=Row.model_validate, args=({"number": VALUE},))
    thread.start()
    thread.join()
    out, errors = capfd.readouterr()
    assert (errors, VALUE in out) == ("", False)
    assert "thread_failed" in out


def test_group_and_chain_are_bounded() -> None:
    error: BaseException = ValueError("the innermost")
    for number in range(200):
        error, error.__cause__ = ValueError(f"{number}"), error
    shown = tracebacks.render((type(error), error, None))
    assert shown.count("caused this exception") == 20
    error.__cause__ = error
    assert tracebacks.render((type(error), error, None)).count("199") <= 21
    group = ExceptionGroup("many", [ValueError(str(number)) for number in range(100)])
    assert tracebacks.render((type(group), group, None)).count("of 100") == 15
