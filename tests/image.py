"""Builds a service's image by the steps of its Dockerfile, without an engine, in a directory of its own, and runs it.

The paths of the image are below `/srv`, for which this directory stands.
"""

import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from dev.identity import Identity, choose

from tests import client
from tests.project import START_SECONDS, STOP_SECONDS, wait_for
from tests.shell import CommandError, environment, run

PLACE = "/srv"
BUILD_SECONDS = 600.0


@dataclass(frozen=True)
class Step:
    """An instruction of a Dockerfile."""

    word: str
    text: str


def steps(dockerfile: str) -> list[Step]:
    """Return the instructions of a Dockerfile."""
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    found = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
    return [Step(word, text) for word, text in found]


def context(project: Path) -> list[str]:
    """Return the files of a project that are sent to the engine."""
    lines = (project / ".dockerignore").read_text().splitlines()
    ignored = [line for line in lines if line and not line.startswith("#")]
    top = [path for path in project.iterdir() if in_context(path.name, ignored)]
    files = [path for each in top for path in [each, *each.rglob("*")] if path.is_file()]
    return [name for name in (str(path.relative_to(project)) for path in sorted(files)) if in_context(name, ignored)]


def in_context(path: str, ignored: list[str]) -> bool:
    """Return whether a path is sent to the engine, by the lines of .dockerignore, of which the last one counts."""
    return [True, *(line.startswith("!") for line in ignored if _matches(line.removeprefix("!"), path.split("/")))][-1]


def _matches(pattern: str, path: list[str]) -> bool:
    if pattern.startswith("**/"):
        return any(fnmatchcase(part, pattern[3:]) for part in path)
    wanted = pattern.split("/")
    return len(wanted) <= len(path) and all(map(fnmatchcase, path, wanted))


class Image:
    """The last stage of a project's Dockerfile, as directories and what they are run with."""

    def __init__(self, project: Path, place: Path) -> None:
        self.root = place / "image"
        self.variables: dict[str, str] = {}
        self.user = ""
        self.arguments: dict[str, list[str]] = {}
        self._place = place
        self._directory = self.root
        self._stage = ""
        self._context = place / "context"
        for name in context(project):
            (self._context / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(project / name, self._context / name)
        does: dict[str, Callable[[str], None]] = {
            "FROM": self._from,
            "ENV": self._env,
            "WORKDIR": self._workdir,
            "COPY": self._copy,
            "RUN": self._run,
            "USER": self._user,
        }
        for step in steps((project / "Dockerfile").read_text()):
            does.get(step.word, lambda text, word=step.word: self._remember(word, text))(step.text)

    def _from(self, text: str) -> None:
        if self._stage:
            self.root.rename(self._place / self._stage)
        self._stage = text.partition(" AS ")[2]
        self.root.mkdir(parents=True)
        self.variables, self.arguments, self._directory = {}, {}, self.root

    def _env(self, text: str) -> None:
        before = {"PATH": os.defpath, **self.variables}
        pairs = [each.partition("=") for each in shlex.split(self._inside(text))]
        self.variables |= {name: re.sub(r"\$(\w+)", lambda got: before[got[1]], value) for name, _, value in pairs}

    def _workdir(self, text: str) -> None:
        self._directory = self.root / text.lstrip("/")
        self._directory.mkdir(parents=True, exist_ok=True)

    def _copy(self, text: str) -> None:
        *given, target = shlex.split(text)
        stage = [each.removeprefix("--from=") for each in given if each.startswith("--from=")]
        place = self._place / stage[0] if stage else self._context
        goal = self.root / target.lstrip("/") if target.startswith("/") else self._directory / target
        for name in (each for each in given if not each.startswith("--")):
            source = place / name.lstrip("/")
            if source.is_dir():
                shutil.copytree(source, goal, symlinks=True, dirs_exist_ok=True)
            else:
                shutil.copy2(source, goal)

    def _run(self, text: str) -> None:
        # copied, since the files are made read-only; and `python` is this one, which has the uv that is asked for
        given = environment(UV_LINK_MODE="copy", **self.variables)
        given["PATH"] = os.pathsep.join([str(self._python()), given["PATH"]])
        run("sh", "-c", self._inside(text), cwd=self._directory, env=given, seconds=BUILD_SECONDS)

    def _python(self) -> Path:
        directory = self._place / "bin"
        directory.mkdir(exist_ok=True)
        script = directory / "python"
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
        script.chmod(0o755)
        return directory

    def _user(self, text: str) -> None:
        self.user = text

    def _remember(self, word: str, text: str) -> None:
        self.arguments[word] = json.loads(text[text.index("[") :]) if "[" in text else [text]

    def _inside(self, text: str) -> str:
        return re.sub(rf"(?<![\w.]){PLACE}\b", f"{self.root}{PLACE}", text)

    def files(self) -> set[str]:
        """Return the files of the image that its base does not have."""
        return {f"/{path.relative_to(self.root)}" for path in self.root.rglob("*") if path.is_file()}

    @contextmanager
    def unprivileged(self) -> Iterator["Container"]:
        """Make everything read-only but a directory for temporary files, and yield how to run commands without rights.

        With the rights of nobody, root cannot write here either (template/dev/identity.py).
        """
        temporary = self._place / "tmp"
        temporary.mkdir()
        temporary.chmod(0o1777)
        paths = [self.root, *(path for path in self.root.rglob("*") if not path.is_symlink())]
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in paths}
        for path, mode in modes.items():
            path.chmod(mode & ~0o222)
        try:
            yield Container(self, temporary, self._directory, choose(self.root, None))
        finally:
            for path, mode in modes.items():
                path.chmod(mode)


class Container:
    """Runs the image's commands with its variables and no others, as a user who may write temporary files only."""

    def __init__(self, image: Image, temporary: Path, directory: Path, identity: Identity) -> None:
        self._image = image
        self._directory = directory
        self._log = temporary / "log"
        self._prefix = identity.prefix
        self._as: dict[str, Any] = {}
        if identity.user:
            self._as = {"user": identity.user[0], "group": identity.user[1], "extra_groups": []}
        self._variables = {"TMPDIR": str(temporary)}

    def run(self, arguments: list[str], given: Mapping[str, str]) -> tuple[int, str]:
        """Run a program of the image to its end; return its status and what it printed."""
        process = self._start(arguments, given, subprocess.PIPE)
        try:
            printed, _ = process.communicate(timeout=START_SECONDS)
        finally:
            process.kill()
            process.wait(STOP_SECONDS)
        return process.returncode, printed.decode()

    def command(self, name: str, given: Mapping[str, str]) -> str:
        """Run a command of the service and return its output; raise CommandError if it fails."""
        status, printed = self.run([*self._image.arguments["ENTRYPOINT"], name], given)
        if status != 0:
            raise CommandError(f"{name} ended with {status}\n{printed}")
        return printed

    @contextmanager
    def serving(self, arguments: list[str], given: Mapping[str, str], url: str) -> Iterator[None]:
        """Run the API or the worker until the end of the block, ready for it.

        Raises:
            CommandError: the process did not become ready, or ended with an error.
        """
        with self._log.open("wb") as log:
            process = self._start([*self._image.arguments["ENTRYPOINT"], *arguments], given, log)
        try:
            ready = wait_for(lambda: process.poll() is not None or _ready(url), START_SECONDS)
            if ready and process.poll() is None:
                yield
            process.terminate()
            if not ready or process.wait(STOP_SECONDS) != 0:
                raise CommandError(f"{arguments} ended with {process.poll()}\n{self._log.read_text()}")
        finally:
            process.kill()
            process.wait(STOP_SECONDS)

    def _start(self, arguments: list[str], given: Mapping[str, str], output: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*self._prefix, *arguments],
            cwd=self._directory,
            env={**self._variables, **self._image.variables, **given},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            **self._as,
        )


def _ready(url: str) -> bool:
    try:
        return client.call("GET", f"{url}/readyz").status == 200
    except OSError:
        return False
