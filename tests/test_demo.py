"""`make demo` shows a working service, or fails and says why; either way it leaves no process running."""

import shutil
import sys
from pathlib import Path

import pytest

from tests.project import Project, processes_of
from tests.rendering import commit
from tests.shell import CommandError, attempt, environment
from tests.variants import ROOT


def demo(place: Path, template: Path) -> tuple[int, str]:
    command = [sys.executable, "-m", "tests.demo", str(template)]
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
    # the commands import it too, so `make run` ends: it would wait for a mistake in the application to be mended
    with (broken / "template/src/app/platform/cli.py").open("a") as file:
        file.write('\nraise SystemExit("broken on purpose")\n')
    status, printed = demo(here, commit(broken))
    assert status == 1
    assert "broken on purpose" in printed
    assert "It works" not in printed
    assert not processes_of(here)
    assert not list(here.glob("demo-*"))


def test_service_that_does_not_get_ready_is_given_up_and_ended(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("run:\n\t@echo broken on purpose; exec sleep 600\n")
    project = Project(tmp_path)
    with pytest.raises(CommandError, match=r"did not get ready in 1 s\nbroken on purpose"), project.serving(1):
        pass
