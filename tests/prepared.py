"""Runs Python modules in forks of a process that has imported Copier, instead of starting Python again each time.

A command starts, runs and ends as `python -m` has it: with arguments, environment, folder and streams of its own.
"""

import functools
import hashlib
import importlib
import marshal
import multiprocessing
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from multiprocessing import util
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import Any

from tests.shell import CommandError

# the variable for the directory of a test run, which the controlling process creates and removes
PLACE = "TEMPLATE_TESTS_PLACE"

# now, before the tests have a directory of their own for temporary files, which they remove earlier than this one
util.get_temp_dir()
_forks = multiprocessing.get_context("forkserver")
_inherited = multiprocessing.get_context("fork")
_forks.set_forkserver_preload(["copier", "copier._cli", __name__])
# what decides how an environment of Jinja compiles a text, beside the extensions
_SYNTAX = (
    *("block_start_string", "block_end_string", "variable_start_string", "variable_end_string"),
    *("comment_start_string", "comment_end_string", "line_statement_prefix", "line_comment_prefix"),
    *("trim_blocks", "lstrip_blocks", "keep_trailing_newline", "newline_sequence", "optimized", "sandboxed"),
    *("undefined", "finalize", "autoescape", "is_async"),
)
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
    # as `python -m` does before it runs the package; it may set variables for Copier
    importlib.import_module(command[0])
    with tempfile.TemporaryDirectory() as scratch:
        _prepare_copier(dict(os.environ), Path(scratch))
        runpy.run_module(command[0], run_name="__main__", alter_sys=True)


def _prepare_copier(env: dict[str, str], scratch: Path) -> None:
    from plumbum import local  # noqa: PLC0415 - imported in the process that forks, not in that of the tests

    # plumbum has its own copies of the environment and the folder
    local.env.clear()
    local.env.update(env)
    local.cwd.chdir(os.getcwd())  # noqa: PTH109 - plumbum takes text
    shared = Path(env[PLACE]) if PLACE in env else scratch
    _compile_once(shared / "compiled-templates")
    from copier import _main, _template  # noqa: PLC0415

    _leave_plain_names(_main.Worker)
    _ask_git_once(_main.Worker)
    _clone_once(_template, shared, scratch)
    _describe_once(_template)
    _fork_migrations(_main)


def _compile_once(cache: Path) -> None:
    """Have Jinja compile each text once in a test run: an update alone compiles most of them three times."""
    import jinja2  # noqa: PLC0415

    cache.mkdir(exist_ok=True)
    known: dict[Any, CodeType] = {}
    compile_anew: Any = jinja2.Environment.compile

    def compile_once(env: Any, source: str, name: str | None = None, filename: str | None = None) -> CodeType:
        key = (source, name, *(getattr(env, option) for option in _SYNTAX), *env.extensions)
        if key not in known:
            file = cache / hashlib.sha256(repr(key).encode()).hexdigest()
            try:
                known[key] = marshal.loads(file.read_bytes())  # noqa: S302 - we wrote it
            except FileNotFoundError:
                known[key] = compile_anew(env, source, name, filename)
                _publish(file, marshal.dumps(known[key]))
        # for messages: templates with the same text may be in several places
        return known[key].replace(co_filename=filename or "<template>")

    jinja2.Environment.compile = compile_once  # type: ignore[method-assign,assignment]


def _publish(file: Path, content: bytes) -> None:
    """Write a file at once, since another process may write or read the same one."""
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    draft.write_bytes(content)
    draft.rename(file)


def _clone_once(template_module: Any, shared: Path, scratch: Path) -> None:
    """Have Copier clone each state of a template once: it reads the clone only, and asks for up to five in an update.

    Clones of the template of the test run are left for other processes; others are removed when this one ends.
    """
    clone: Callable[..., str] = template_module.clone

    def clone_if_needed(url: str, ref: str = "HEAD", location: str | None = None) -> str:
        if not location or not (Path(url) / ".git").exists() or (ref == "HEAD" and _git(url, "status", "--porcelain")):
            return clone(url, ref, location)
        state = [url, ref, _git(url, "rev-parse", "HEAD"), _git(url, "for-each-ref")]
        kept = (shared if shared in Path(url).parents else scratch) / "clones"
        target = kept / hashlib.sha256(repr(state).encode()).hexdigest()
        if not target.exists():
            kept.mkdir(exist_ok=True)
            draft = clone(url, ref, tempfile.mkdtemp(dir=kept))
            try:
                Path(draft).rename(target)
            except OSError:
                # another process has cloned the same state first
                shutil.rmtree(draft)
        return str(target)

    template_module.clone = clone_if_needed


def _git(repository: str, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=repository, capture_output=True, check=True, text=True).stdout


def _describe_once(template_module: Any) -> None:
    """Have Copier ask once for the version of each clone, which takes a dozen of git's processes."""
    versions = template_module.dunamai.Version
    from_git = versions.from_git
    known: dict[Path, Any] = {}

    def from_git_once(**options: Any) -> Any:
        here = Path.cwd()
        if here not in known:
            known[here] = from_git(**options)
        return known[here]

    versions.from_git = from_git_once


def _fork_migrations(main_module: Any) -> None:
    """Have Copier run the scripts of migrations in forks too, instead of starting Python and importing Copier again."""

    def run(command: list[str] | str, **options: Any) -> Any:
        if isinstance(command, str) or command[0] != sys.executable:
            return subprocess.run(command, **options)  # noqa: PLW1510 - as Copier says
        sys.stdout.flush()
        sys.stderr.flush()
        process = _inherited.Process(target=_run_script, args=(command[1:], options["env"]))
        process.start()
        process.join()
        return subprocess.CompletedProcess(command, process.exitcode or 0)

    main_module.subprocess = SimpleNamespace(run=run)


def _run_script(command: list[str], env: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(env)
    sys.argv = command
    sys.path.insert(0, str(Path(command[0]).parent))
    runpy.run_path(command[0], run_name="__main__")


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
