"""An owner who has worked on a service for a while: what was changed, and whether it is all still there.

The edits are where owners edit: below the anchors, and in the middle of files that releases and answers change, too;
not in `dev/`, so that its tests need not run again.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.rendering import commit
from tests.shell import run
from tests.variants import ROOT

DELETED = "tests/orders/test_round_trips.py"

# what was added, at the paths it was added at
OWN_FILES = ROOT / "tests/owner_files"


@dataclass(frozen=True)
class Edit:
    """Some text of a file becomes another one."""

    path: str
    before: str
    after: str

    def apply(self, project: Path) -> None:
        """Make the change.

        Raises:
            LookupError: the file does not have this text exactly once, so it is no edit of that release.
        """
        replace(project / self.path, self.before, self.after)


def replace(file: Path, before: str, after: str) -> None:
    """Change what stands in a file exactly once.

    Raises:
        LookupError: it does not.
    """
    text = file.read_text()
    if text.count(before) != 1:
        raise LookupError(f"{file} should have once:\n{before}")
    file.write_text(text.replace(before, after))


EDITS = (
    Edit(
        "src/app/users/models.py",
        "    is_active: Mapped[bool]",
        "    phone: Mapped[str | None] = mapped_column(String(32))\n    is_active: Mapped[bool]",
    ),
    Edit(
        "src/app/api/router.py",
        "    # add your own routers below\n",
        "    # add your own routers below\n    greetings.router,\n",
    ),
    Edit(
        "src/app/api/router.py",
        "from app.api.v1 import auth, orders, users\n",
        "from app.api.v1 import auth, greetings, orders, users\n",
    ),
    Edit(
        "src/app/services.py",
        "from app.orders.service",
        "from app.greetings.service import GreetingService\nfrom app.orders.service",
    ),
    Edit(
        "src/app/services.py",
        "    # add your own below\n\n\ndef",
        "    # add your own below\n    greetings: GreetingService\n\n\ndef",
    ),
    Edit(
        "src/app/services.py",
        "        # add your own below\n    )",
        "        # add your own below\n"
        "        greetings=GreetingService(users, resources.settings.process.greeting),\n    )",
    ),
    Edit("src/app/config.py", "    redis_url: Annotated", '    greeting: str = "Moin"\n    redis_url: Annotated'),
    Edit(
        "src/app/config.py",
        "max_body_bytes: int = Field(default=1_048_576,",
        "max_body_bytes: int = Field(default=2_097_152,",
    ),
    Edit(
        "src/app/users/service.py",
        "    async def page(",
        '''\
    async def knows(self, user_id: UUID) -> bool:
        """Whether there is such a user."""
        return await self.find(user_id) is not None

    async def page(''',
    ),
    Edit("pyproject.toml", '  "limits', '  "itsdangerous>=2.2",\n  "limits'),
    Edit(
        "pyproject.toml",
        "  # add your own below\n]\n\n[dependency-groups]",
        '  # add your own below\n  "typing-extensions>=4.12",\n]\n\n[dependency-groups]',
    ),
    Edit("pyproject.toml", '  "app.auth",\n  # your', '  "app.auth",\n  "app.greetings",\n  # your'),
    Edit(".env.example", "LOG_LEVEL=INFO\n", "LOG_LEVEL=DEBUG\n"),
    Edit(".env.example", "# add your own below\n", "# add your own below\n# GREETING=Moin\n"),
    Edit("README.md", "## First steps\n", "Ask #greetings when something is odd.\n\n## First steps\n"),
    Edit(
        "Makefile",
        "python -m app migrate && exec python -m app api'",
        "echo starting && python -m app migrate && exec python -m app api'",
    ),
    Edit(
        "Makefile",
        "# add your own targets above\n",
        ".PHONY: greet\ngreet: ## Say hello\n\t@echo Moin\n\n# add your own targets above\n",
    ),
)


def edit(project: Path) -> None:
    """Make all edits."""
    shutil.copytree(OWN_FILES, project, dirs_exist_ok=True)
    for each in EDITS:
        each.apply(project)
    (project / DELETED).unlink()


def work_on(project: Path) -> None:
    """Make all edits, and commit them as one would."""
    edit(project)
    commit(project, "Our own work")


def lost(project: Path) -> list[str]:
    """What is no longer as the owner left it; a line for each."""
    own = {path: str(path.relative_to(OWN_FILES)) for path in OWN_FILES.rglob("*") if path.is_file()}
    files = [f"{name} is not as it was" for path, name in own.items() if _text(project / name) != path.read_text()]
    edits = [f"{each.path} lost:\n{each.after}" for each in EDITS if each.after not in _text(project / each.path)]
    return files + edits + ([f"{DELETED} is back"] if (project / DELETED).exists() else [])


def sign(project: Path) -> None:
    """Leave a signature in each file: an edit wherever one can be made."""
    for path in tracked(project):
        file = project / path
        if path != ".copier-answers.yml":
            file.write_text(f"{file.read_text()}# {signature(path)}\n")
    commit(project, "Signed everywhere")


def signature(path: str) -> str:
    """What stands in a file that was signed under this path."""
    return f"signed: {path} :"


def tracked(project: Path) -> list[str]:
    """The paths that are committed."""
    return run("git", "ls-files", cwd=project).splitlines()


def unmerged(project: Path) -> list[str]:
    """The paths that wait for somebody to resolve a conflict."""
    marked = run("git", "diff", "--name-only", "--diff-filter=U", cwd=project).splitlines()
    rejected = run("git", "ls-files", "--others", "--", "*.rej", cwd=project).splitlines()
    return sorted({*marked, *rejected})


def contents(project: Path) -> Mapping[str, bytes]:
    """What git would keep of the working tree, by path."""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=project).split("\0")
    return {
        path: (project / path).read_bytes() for path in sorted(filter(None, set(listed))) if (project / path).is_file()
    }


def _text(file: Path) -> str:
    return file.read_text() if file.is_file() else ""
