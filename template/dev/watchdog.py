"""Parent of one server process: stops the server when the launcher asks for it, or dies.

Run as a script with a JSON description (see ``process.py``). Standard input is a pipe whose only
write end is in the launcher, so this process reads end of file even after ``kill -9`` of the launcher.
As the parent, this process can neither miss the server's end nor signal a reused process id.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from typing import Any


def stop(child: subprocess.Popen[bytes], steps: list[tuple[int, float]]) -> None:
    """Send each signal in turn until the server is gone."""
    for number, seconds in steps:
        child.send_signal(number)
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
        return


def follow(child: subprocess.Popen[bytes], spec: dict[str, Any], orphaned: threading.Event) -> None:
    """Wait until the launcher sends a byte or dies, then stop the server."""
    if not os.read(0, 1):
        orphaned.set()
    stop(child, spec["stop"])


def start(spec: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Start the server; it inherits this process's output, the log file."""
    as_user: dict[str, Any] = {}
    if spec["user"] is not None:
        user, group = spec["user"]
        as_user = {"user": user, "group": group, "extra_groups": []}
    return subprocess.Popen(spec["argv"], stdin=subprocess.PIPE, pass_fds=spec["keep"], **as_user)


def main() -> int:
    """Run the server to its end."""
    spec = json.loads(sys.argv[1])
    try:
        child = start(spec)
    except OSError as error:
        sys.exit(f"cannot start {spec['argv'][0]}: {error.strerror}")
    # A signal to all processes at once (when a container stops) must not stop the server while the
    # application is still finishing. A handler, unlike SIG_IGN, is not inherited through exec.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    orphaned = threading.Event()
    threading.Thread(target=follow, args=(child, spec, orphaned), daemon=True).start()
    child.communicate(spec["input"].encode())
    status = child.wait()
    if orphaned.is_set():
        shutil.rmtree(spec["remove"], ignore_errors=True)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
