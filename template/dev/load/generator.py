"""The load generator, a process of its own: Locust runs the clients.

It reads one line with the address and the ramp, and writes a line of JSON for each event: `ready` once, then for each
step `measuring` and `measured` around its rounds, and `step` with its results. SIGTERM ends the rounds of a step early,
and the test with it. It ends at once when its standard input ends, so it does not outlive the process that started it.
"""

import json
import os
import signal
import sys
import time
from importlib import import_module
from typing import Any

# first: importing it makes the standard library's sockets cooperate
import gevent
import gevent.event
import gevent.lock
import gevent.socket
import locust
import locust.env
from geventhttpclient import client as http

from dev.load.client import Broken, Client, Over
from dev.load.plan import CHECK_SECONDS, Ramp, begin_seconds
from dev.load.recording import Recorder
from dev.load.results import Step

JOURNEY = "tests.make_load.journey"
# after a round that broke: requests that are refused at once would keep the generator busy
BROKEN_PAUSE = 0.2


class RunningStep:
    """One step: its clients begin, wait for each other, repeat their round, and check what is stored."""

    def __init__(self, ramp: Ramp, clients: int, journey: Any) -> None:
        self.recorder = Recorder()
        self._ramp = ramp
        self._clients = clients
        self._journey = journey
        self._arrived = self._began = self._confirmed = self._lost = self._unchecked = 0
        self._turns = gevent.lock.BoundedSemaphore(ramp.begin_at_a_time)
        self._all_arrived = gevent.event.Event()
        self._go = gevent.event.Event()
        self._ends = float("inf")

    def over(self) -> bool:
        """Return whether the rounds are to end."""
        return time.monotonic() >= self._ends

    def live(self, user: Any) -> None:
        """Do everything that one client does."""
        client = Client(user.client, self, self._ramp.request_timeout)
        with self._turns:
            began = not self._go.is_set() and self._attempt(client, self._journey.begin)
        self._began += began
        self._arrived += 1
        if self._arrived == self._clients:
            self._all_arrived.set()
        self._go.wait()
        client.phase = "round"
        while began and not self.over():
            done = self._attempt(client, self._journey.repeat)
            gevent.sleep(self._ramp.pause if done else max(self._ramp.pause, BROKEN_PAUSE))
        client.phase = "check"
        self._confirmed += len(client.created)
        if client.created:
            self._check(client)
        raise locust.exception.StopUser

    def _check(self, client: Client) -> None:
        found: set[str] = set()

        def look(client: Client) -> None:
            found.update(self._journey.stored(client))

        # with False it ends the block without an exception
        with gevent.Timeout(CHECK_SECONDS, False):
            if self._attempt(client, look):
                self._lost += len(client.created - found)
                return
        self._unchecked += len(client.created - found)

    def _attempt(self, client: Client, part: Any) -> bool:
        try:
            part(client)
        except Over:
            return True
        except Broken:
            return False
        except Exception as error:  # noqa: BLE001 (whatever is wrong with the journey is reported)
            client.fail(f"{type(error).__name__}: {error}")
            return False
        return True

    def run(self, runner: Any, stopped: Any) -> Step:
        """Run the step with so many clients, until its time is up or `stopped` is set."""
        runner.start(self._clients, spawn_rate=self._clients)
        gevent.wait([self._all_arrived, stopped], timeout=begin_seconds(self._clients), count=1)
        began, started = self._began, time.monotonic()
        self._ends = started + self._ramp.seconds
        say(event="measuring")
        self._go.set()
        stopped.wait(self._ramp.seconds if began else 0)
        # what is answered after the planned time is late, even if this process wakes up later still
        seconds, self._ends = min(time.monotonic() - started, self._ramp.seconds), 0.0
        say(event="measured")
        runner.user_greenlets.join(self._ramp.request_timeout + self._ramp.pause + CHECK_SECONDS + 1)
        runner.stop()
        return Step(
            clients=self._clients,
            began=began,
            seconds=max(seconds, 0.001),
            requests=self.recorder.requests(),
            timings=self.recorder.timings(),
            confirmed=self._confirmed,
            lost=self._lost,
            unchecked=self._unchecked,
        )


def say(**said: Any) -> None:
    """Write an event."""
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def users(url: str, ramp: Ramp, current: list[RunningStep]) -> Any:
    """Return Locust's class of users, each of which lives in the step that is the last in `current`."""

    def live(user: Any) -> None:
        current[-1].live(user)

    attributes = {
        "abstract": False,
        "host": url,
        # the next request of a client waits for this one
        "concurrency": 1,
        "connection_timeout": ramp.request_timeout,
        "network_timeout": ramp.request_timeout,
        "insecure": False,
        "tasks": [live],
    }
    return type("Visitor", (locust.FastHttpUser,), attributes)


def never_repeat() -> None:
    """Have each request sent once: the HTTP client would repeat a GET that was cut off, and nobody would count it."""
    if not hasattr(http, "_may_retry_after_send_error"):
        sys.exit("dev.load: this release of geventhttpclient may repeat requests by itself")
    setattr(http, "_may_retry_after_send_error", lambda _method: False)  # noqa: B010 (mypy does not know the module)


def end_with_parent() -> None:
    """End this process when standard input ends, which the parent keeps open and writes nothing more to."""
    gevent.socket.wait_read(sys.stdin.fileno())
    # no clean-up: it would wait for the clients
    os._exit(1)


def main() -> None:
    """Run the steps, one after the other."""
    never_repeat()
    given = json.loads(sys.stdin.readline())
    gevent.spawn(end_with_parent)
    ramp = Ramp.model_validate(given["ramp"])
    journey = import_module(JOURNEY)
    stopped = gevent.event.Event()
    gevent.signal_handler(signal.SIGTERM, stopped.set)
    say(event="ready")
    steps: list[RunningStep] = []
    runner = locust.env.Environment(user_classes=[users(given["url"], ramp, steps)]).create_local_runner()
    for clients in ramp.clients:
        steps.append(RunningStep(ramp, clients, journey))
        result = steps[-1].run(runner, stopped)
        say(event="step", step=result.model_dump())
        if stopped.is_set():
            break
    runner.quit()


if __name__ == "__main__":
    main()
