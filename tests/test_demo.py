"""`make demo` shows a working service, or fails and says why; either way it leaves no process running."""

import shutil
import sys
from pathlib import Path

from tests.project import processes_of
from tests.rendering import commit
from tests.shell import attempt, environment
from tests.variants import ROOT


def demo(place: Path, template: Path, *seconds: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "tests.demo", str(template), *seconds]
    done = attempt(*command, cwd=ROOT, seconds=300, env=environment(TMPDIR=str(place)))
    return done.returncode, done.stdout


def test_shows_a_working_service(place: Path, template: Path) -> None:
    here = place / "demo"
    here.mkdir()
    status, printed = demo(here, template)
    assert status == 0, printed
    shown = [line.removeprefix("  < ") for line in printed.splitlines() if line.startswith("  < ")]
    assert [line.split()[0] for line in shown] == ["200", "201", "200", "201", "200", "200", "409"]
    assert shown[-1].endswith("application/problem+json")
    assert '"total_cents": 998' in printed
    assert "http_request_duration_seconds_count" in printed
    assert "correct horse" not in printed
    assert not processes_of(here)
    assert not list(here.glob("demo-*")), "the scratch folder should be gone"


def test_fails_when_the_service_does_not_start(place: Path, template: Path) -> None:
    here = place / "failing-demo"
    here.mkdir()
    broken = here / "broken-template"
    shutil.copytree(template, broken, ignore=shutil.ignore_patterns(".git"))
    with (broken / "template/src/app/platform/http/lifespan.py").open("a") as file:
        file.write('\nraise SystemExit("broken on purpose")\n')
    # `make run` waits for the mistake to be mended; on a busy machine the service gets as far as that in 20 s
    status, printed = demo(here, commit(broken), "45")
    assert status == 1
    assert "broken on purpose" in printed
    assert "It works" not in printed
    assert not processes_of(here)
    assert not list(here.glob("demo-*"))
