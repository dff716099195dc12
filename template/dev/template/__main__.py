"""The commands behind `make template-check`, `-update`, `-switch` and `-diff`; uv runs them with Copier installed."""

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # end without a traceback if Ctrl-C is pressed while Copier is imported
    signal.signal(signal.SIGINT, signal.SIG_DFL)


import argparse
import io
import re
import sys
from pathlib import Path

from dev.template.change import switch, update
from dev.template.check import check
from dev.template.drift import drift
from dev.template.errors import TemplateError
from dev.template.project import UNDO, Project
from dev.template.suite import lay


def arguments(given: list[str]) -> argparse.Namespace:
    """Parse the arguments that the Makefile passes."""
    parser = argparse.ArgumentParser(prog="python -m dev.template", description=__doc__)
    parser.add_argument("--trust", action="store_true", help="allow the migrations of a release to run")
    commands = parser.add_subparsers(dest="command", required=True)
    checking = commands.add_parser("check", help="is there a newer release, and what does it ask for?")
    checking.add_argument("--fail", action="store_true", help="exit with status 3 if there is one")
    commands.add_parser("diff", help="what did this project change in the template's files?")
    commands.add_parser("suite", help="lay the platform's own suite of tests over this project")
    commands.add_parser("update", help="merge a release").add_argument("--to", default="", help="such as v1.2.0")
    switching = commands.add_parser("switch", help="change answers")
    switching.add_argument("answers", nargs="*", metavar="question=answer")
    switching.add_argument("--make", default="", help="the same answers, as make writes them in MAKEOVERRIDES")
    return parser.parse_args(given)


def overrides(written: str) -> list[str]:
    """Return the variables of make's command line that name questions; names in capitals belong to the Makefile."""
    words = re.findall(r"(?:[^\s\\]|\\.)+", written)
    plain = [re.sub(r"\\(.)", r"\1", word).replace("$$", "$") for word in words]
    return [word for word in plain if word.partition("=")[0].islower()]


def run(project: Project, asked: argparse.Namespace) -> int:
    """Run the command that was asked for and return its exit status."""
    match asked.command:
        case "check":
            return check(project, fail=asked.fail)
        case "diff":
            return drift(project)
        case "suite":
            return lay(project)
        case "update":
            return update(project, asked.to, trust=asked.trust)
        case _:
            given = [*asked.answers, *overrides(asked.make)]
            return switch(project, dict(each.partition("=")[::2] for each in given), trust=asked.trust)


def main(given: list[str]) -> int:
    """Run one command and return its exit status."""
    asked = arguments(given)
    # raise KeyboardInterrupt from here on, so that the message about undoing is printed
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    # a terminal that cannot print an arrow must not stop a merge half-way
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    project = Project(Path.cwd())
    try:
        return run(project, asked)
    except TemplateError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        changes = project.changes()
        print(f"Interrupted. {UNDO}\n{changes}" if changes else "Interrupted; nothing was done.", file=sys.stderr)
        return 1


sys.exit(main(sys.argv[1:]))
