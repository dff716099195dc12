"""`make template-check`, `-update`, `-switch` and `-diff`; runs where Copier is installed, which uv sees to."""

import argparse
import sys
from pathlib import Path

from dev.template.change import switch, update
from dev.template.check import check
from dev.template.drift import drift
from dev.template.errors import TemplateError
from dev.template.project import Project


def arguments(given: list[str]) -> argparse.Namespace:
    """What the Makefile asks for."""
    parser = argparse.ArgumentParser(prog="python -m dev.template", description=__doc__)
    parser.add_argument("--trust", action="store_true", help="let the migrations of a release run")
    commands = parser.add_subparsers(dest="command", required=True)
    checking = commands.add_parser("check", help="is there a newer release, and what does it ask for?")
    checking.add_argument("--fail", action="store_true", help="end with 3 if there is one")
    commands.add_parser("diff", help="what did this project change in the template's files?")
    commands.add_parser("update", help="merge a release").add_argument("--to", default="", help="such as v1.2.0")
    commands.add_parser("switch", help="change answers").add_argument("answers", nargs="*", metavar="question=answer")
    return parser.parse_args(given)


def main(given: list[str]) -> int:
    """Run one command and return its exit status."""
    asked = arguments(given)
    project = Project(Path.cwd())
    try:
        if asked.command == "check":
            return check(project, fail=asked.fail)
        if asked.command == "diff":
            return drift(project)
        if asked.command == "update":
            return update(project, asked.to, trust=asked.trust)
        return switch(project, dict(each.partition("=")[::2] for each in asked.answers), trust=asked.trust)
    except TemplateError as error:
        print(error, file=sys.stderr)
        return 1


sys.exit(main(sys.argv[1:]))
