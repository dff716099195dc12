"""After an interrupted or killed update, or a bug in the commands, the documented way to recover works."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests import future, life, owner, rendering
from tests.life import HERE, THERE, tool
from tests.project import wait_for
from tests.releases import release_all
from tests.shell import environment, run
from tests.test_tool import UNDO, touch_security
from tests.variants import plain_variants


def start(project: Path) -> subprocess.Popen[str]:
    """Start an update in its own process group, as a shell does."""
    return subprocess.Popen(
        [sys.executable, "-m", "dev.template", "--trust", "update"],
        cwd=project,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def that_hangs(root: Path) -> None:
    """Add a migration that does not end."""
    future.add_migration(root, {"version": future.VERSION, "command": ["sh", "-c", "touch begun; sleep 60"]})


@pytest.fixture
def hanging(project: Path, template: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A running update, in the middle of its work."""
    future.move_to(project, future.release(template, tmp_path / "future", touch_security, that_hangs))
    update = start(project)
    try:
        assert wait_for((project / "begun").exists, 300)
        yield update
    finally:
        with suppress(ProcessLookupError):
            os.killpg(update.pid, signal.SIGKILL)
        update.wait()
        if update.stdout:
            update.stdout.close()


def undo(project: Path) -> None:
    run("sh", "-c", UNDO, cwd=project)
    assert not run("git", "status", "--porcelain", cwd=project)


def test_a_killed_update_is_named_by_the_next_one(project: Path, hanging: subprocess.Popen[str]) -> None:
    os.killpg(hanging.pid, signal.SIGKILL)
    hanging.communicate()
    status, printed = tool(project, "update")
    assert status == 1
    assert f"an earlier run did not finish merging {HERE} → {THERE}, and there are uncommitted changes" in printed
    assert f"If they are from that run, undo it: {UNDO}. If they are yours, commit or stash them." in printed
    undo(project)
    (project / "ours.txt").write_text("ours\n")
    rendering.commit(project)
    (project / "ours.txt").write_text("ours, and not committed\n")
    status, printed = tool(project, "update")
    assert status == 1
    assert "commit or stash your changes first" in printed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_update_says_how_to_go_back(
    project: Path, hanging: subprocess.Popen[str], number: signal.Signals
) -> None:
    os.killpg(hanging.pid, number)
    time.sleep(0.005)
    with suppress(ProcessLookupError):
        # Ctrl-C pressed twice
        os.killpg(hanging.pid, number)
    printed, _ = hanging.communicate(timeout=300)
    assert hanging.returncode != 0
    assert "Traceback" not in printed
    assert "Stopped half-way" in printed
    assert UNDO in printed
    undo(project)


def wait_for_the_import_of_copier(process: subprocess.Popen[str]) -> None:
    """Wait until the commands run: before that, Python prints a traceback from its own startup."""
    loaded = Path(f"/proc/{process.pid}/maps")
    if loaded.exists():
        assert wait_for(lambda: "_yaml" in loaded.read_text(), 60)
    else:
        time.sleep(1)


def test_ctrl_c_is_no_traceback_at_any_moment(project: Path) -> None:
    """Interrupt at several moments from the import of Copier, the longest part, to the first call of git."""
    for step in range(12):
        update = start(project)
        wait_for_the_import_of_copier(update)
        time.sleep(0.08 * step)
        os.killpg(update.pid, signal.SIGINT)
        printed, _ = update.communicate(timeout=300)
        assert "Traceback" not in printed
        assert not run("git", "status", "--porcelain", cwd=project)


def test_an_unknown_commit_is_told_the_nearest_release(project: Path, template: Path, tmp_path: Path) -> None:
    """The newest release would be wrong: the migrations up to it would never run."""
    future.move_to(project, future.release(template, tmp_path / "future", touch_security))
    answers = project / ".copier-answers.yml"
    answers.write_text(re.sub(r"_commit: .*", "_commit: 0123abc", answers.read_text()))
    rendering.commit(project)
    status, printed = tool(project, "update")
    assert status == 1
    assert f"Write `_commit: {HERE}`, the release that is nearest to your files" in printed


def test_the_documented_way_round_a_bug_in_the_commands(template: Path, tmp_path: Path) -> None:
    """The commands belong to the project's release, so a bug in them can prevent the update to its own fix."""
    source = tmp_path / "template"
    run("git", "clone", "--quiet", str(template), str(source), cwd=tmp_path)
    command = source / "template/dev/template/__main__.py"
    works = command.read_text()
    command.write_text("raise ZeroDivisionError\n")
    release_all(source, "98.0.0")
    project = life.born(source, tmp_path / "service", None, plain_variants()[0])
    owner.work_on(project)
    command.write_text(works)
    release_all(source, future.VERSION)
    assert "ZeroDivisionError" in tool(project, "update")[1]
    section = (project / "docs/template.md").read_text().partition("## When the commands fail\n")[2]
    (block,) = re.findall(r"```sh\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    run("sh", "-ec", block, cwd=project)
    assert not owner.lost(project)
    rendering.commit(project)
    assert tool(project, "check") == (0, f"up to date: {THERE} is the newest release\n")
