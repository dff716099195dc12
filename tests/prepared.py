"""Runs Python modules in forks of a process that has imported Copier, instead of starting Python again each time.

A command starts, runs and ends as `python -m` has it: with arguments, environment, folder and streams of its own.
"""

import functools
import multiprocessing
import os
import re
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from multiprocessing import util
from pathlib import Path
from typing import Any

from tests.shell import CommandError

# now, before the tests have a directory of their own for temporary files, which they remove earlier than this one
util.get_temp_dir()
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["copier", "copier._cli", __name__])
# a name that Jinja would not change
_PLAIN = re.compile(r"[\w./ -]+")


def attempt(
    module: str, *arguments: str, cwd: Path, env: Mapping[str, str], seconds: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a module as `python -m` does, whatever its exit status; both streams are in `stdout`.

    Raises:
        CommandError: the command took too long, and was killed with all its processes.
    """
    command = [module, *arguments]
    with tempfile.NamedTemporaryFile() as printed:
        process = _forks.Process(target=_become, args=(command, str(cwd), dict(env), printed.name))
        process.start()
        try:
            process.join(seconds)
        finally:
            if late := process.is_alive():
                os.killpg(process.pid or 0, signal.SIGKILL)
            process.join()
        output = Path(printed.name).read_text(errors="replace")
    if late:
        raise CommandError(f"{' '.join(command)} took more than {seconds} s\n{output}")
    return subprocess.CompletedProcess(command, process.exitcode or 0, output)


def _become(command: list[str], cwd: str, env: dict[str, str], printed: str) -> None:
    os.setsid()
    for stream, (path, flags) in enumerate([(os.devnull, os.O_RDONLY), *[(printed, os.O_WRONLY | os.O_APPEND)] * 2]):
        os.dup2(os.open(path, flags), stream)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = command
    sys.path[:] = [cwd, *(path for path in sys.path if path != str(Path(__file__).parent.parent))]
    _prepare_copier(env)
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)


def _prepare_copier(env: dict[str, str]) -> None:
    import jinja2  # noqa: PLC0415 - imported in the process that forks, not in that of the tests
    from plumbum import local  # noqa: PLC0415

    # plumbum has its own copies of the environment and the folder
    local.env.clear()
    local.env.update(env)
    local.cwd.chdir(os.getcwd())  # noqa: PTH109 - plumbum takes text
    # Copier compiles some texts of questions again and again
    jinja2.Environment.compile = functools.cache(jinja2.Environment.compile)  # type: ignore[assignment]
    from copier import _main  # noqa: PLC0415

    _leave_plain_names(_main.Worker)
    _ask_git_once(_main.Worker)


def _leave_plain_names(worker_type: Any) -> None:
    """Have Copier render names only where they are templates: it does so for each part of each path."""
    render, answers_file = worker_type._render_string, worker_type.answers_relpath.fget  # noqa: SLF001

    def render_if_needed(worker: Any, text: str, extra_context: dict[str, Any] | None = None) -> str:
        return text if _PLAIN.fullmatch(text) else str(render(worker, text, extra_context))

    def answers_relpath(worker: Any) -> Path:
        name = str(worker.answers_file or worker.template.answers_relpath)
        return Path(name if _PLAIN.fullmatch(name) else answers_file(worker))

    worker_type._render_string = render_if_needed  # noqa: SLF001
    worker_type.answers_relpath = property(answers_relpath)


def _ask_git_once(worker_type: Any) -> None:
    """Have Copier ask git once in a project, and not for each of its 300 files, whether git ignores file modes."""
    sync = getattr(worker_type, "_sync_git_index_executable_bit", None)
    if not sync:
        # a release that does not ask
        return

    @functools.cache
    def ignores_modes(project: Path) -> bool:
        asked = ["git", "config", "--type=bool", "--get", "core.fileMode"]
        return subprocess.run(asked, cwd=project, capture_output=True, check=False).stdout.strip() == b"false"

    def sync_if_needed(worker: Any, path: Path, mode: int) -> None:
        if ignores_modes(worker.subproject.local_abspath):
            sync(worker, path, mode)

    worker_type._sync_git_index_executable_bit = sync_if_needed  # noqa: SLF001
