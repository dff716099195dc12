"""A start that fails shows no part of the passwords in the URLs of servers, whatever the URLs look like."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.server import PATIENCE, environment

URL = "postgresql://ada:wrong@127.0.0.1:1/shop"
GIVEN = [
    {"DATABASE_URL": "postgresql://ada:p@hunter2?s@db.example/shop"},
    {"DATABASE_URL": "hunter2://ada@db.example/shop"},
    {"DATABASE_URL": "postgresql://ada:hunter2@127.0.0.1:1/shop"},
    {"REDIS_URL": "redis://:hunter2/s@127.0.0.1:1/0"},
    {"REDIS_URL": "redis://:hunter2@127.0.0.1:1/0"},
]
STARTS = [(command, variables) for command in ("api", "migrate") for variables in GIVEN]
# Each start is a process of its own, forked when all that takes long is imported. It ends as Python ends: with a
# traceback if nobody catches an error.
START = """
import json, os, sys
from app import __main__ as service, main

for command, variables in json.loads(sys.stdin.read()):
    print("START", flush=True)
    if not os.fork():
        os.environ.update(variables)
        sys.argv = ["app", command]
        service.main()
        sys.exit()
    print("STATUS", os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
"""


def test_start_that_fails_shows_no_password(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", START],
        input=json.dumps(STARTS),
        cwd=tmp_path,
        env=environment(URL, LOG_LEVEL="DEBUG", DB_CONNECT_TIMEOUT="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE * len(STARTS),
        check=True,
    )
    said = done.stdout.split("START\n")[1:]
    assert len(said) == len(STARTS)
    for (command, variables), printed in zip(STARTS, said, strict=True):
        *lines, status = printed.splitlines()
        assert status in {"STATUS 1", "STATUS 3"}, (command, variables, printed)
        assert lines, (command, variables)
        assert "hunter2" not in printed
        assert "Traceback" not in printed
