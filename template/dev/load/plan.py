"""What a load test does and what it allows: `thresholds.toml`, and the variables LOAD_… for a single run."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dev.errors import ServiceError

# so many begin and are measured before the first access token expires, after 15 minutes
MOST_CLIENTS = 500
MOST_SECONDS = 600.0
# for what a client does before its first round and after its last one, beside the time limit of a request
BEGIN_SECONDS = 60.0
BEGIN_SECONDS_FOR_EACH = 1.0
CHECK_SECONDS = 30.0

Milliseconds = Annotated[float, Field(gt=0)]


class Part(BaseModel):
    """A table of the file; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Ramp(Part):
    """The steps of the test.

    Attributes:
        clients: the number of clients in each step; it grows.
        seconds: for which a step is measured, once its clients have begun.
        request_timeout: seconds until a request counts as unanswered.
        begin_at_a_time: how many clients begin at the same time; the others wait for their turn.
        pause: seconds that a client waits between two rounds.
    """

    clients: tuple[Annotated[int, Field(ge=1, le=MOST_CLIENTS)], ...] = Field(min_length=1, max_length=10)
    seconds: float = Field(ge=1, le=120)
    request_timeout: float = Field(ge=0.1, le=60)
    begin_at_a_time: int = Field(default=2, ge=1, le=MOST_CLIENTS)
    pause: float = Field(default=0.0, ge=0, le=60)

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if list(self.clients) != sorted(set(self.clients)):
            message = "each step needs more clients than the one before"
            raise ValueError(message)
        if len(self.clients) * self.seconds > MOST_SECONDS:
            message = f"all steps together may last {MOST_SECONDS:g} seconds"
            raise ValueError(message)
        return self

    def longest(self, clients: int) -> float:
        """Return the most seconds that a step may take, with its begin and its end."""
        return begin_seconds(clients) + self.seconds + self.pause + CHECK_SECONDS + 2 * self.request_timeout


def begin_seconds(clients: int) -> float:
    """Return the most seconds until so many clients have begun: hashing two passwords for each takes a while."""
    return BEGIN_SECONDS + clients * BEGIN_SECONDS_FOR_EACH


class Latency(Part):
    """The most milliseconds until the response, for each step; `None` allows any."""

    p50_ms: Milliseconds | None = None
    p95_ms: Milliseconds | None = None
    p99_ms: Milliseconds | None = None


class Limits(Latency):
    """What is allowed in each step.

    Attributes:
        unanswered: requests without a response: timed out, refused, or cut off.
        errors: responses with another status or content than the journey expects.
        lost: what the service has confirmed but does not have at the end.
        requests_per_second: the least number in the busiest step; `None` allows any.
    """

    unanswered: int = Field(default=0, ge=0)
    errors: int = Field(default=0, ge=0)
    lost: int = Field(default=0, ge=0)
    requests_per_second: float | None = Field(default=None, gt=0)


class Plan(Part):
    """The file.

    Attributes:
        ramp: the steps.
        thresholds: what is allowed in each step.
        requests: latencies of single requests, by their names in the report.
        environment: variables for the service that is started for the test.
    """

    ramp: Ramp
    thresholds: Limits
    requests: dict[str, Latency] = Field(default_factory=dict)
    environment: dict[str, str] = Field(default_factory=dict)


def read(path: Path, variables: Mapping[str, str]) -> Plan:
    """Return the plan of a file, changed by LOAD_CLIENTS (such as `1,8`) and LOAD_SECONDS.

    Raises:
        ServiceError: the file is missing, or something in it is wrong; the message names all of it.
    """
    try:
        given = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise ServiceError(f"{path} is missing: it says how many clients to send, and what to allow") from None
    except ValueError as error:
        raise ServiceError(f"{path}: {error}") from error
    if isinstance(ramp := given.get("ramp"), dict):
        given["ramp"] = ramp | _of_this_run(variables)
    try:
        return Plan.model_validate(given)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        raise ServiceError("\n  ".join([f"{path}, or a variable LOAD_…:", *problems])) from error


def _of_this_run(variables: Mapping[str, str]) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    if clients := variables.get("LOAD_CLIENTS"):
        changed["clients"] = clients.split(",")
    if seconds := variables.get("LOAD_SECONDS"):
        changed["seconds"] = seconds
    return changed
