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

DELETED = "tests/features/orders/test_round_trips.py"

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


# edits of files that have the same place and shape in all releases
EVERYWHERE = (
    Edit("pyproject.toml", '  "limits', '  "itsdangerous>=2.2",\n  "limits'),
    Edit(
        "pyproject.toml",
        "  # add your own below\n]\n\n[dependency-groups]",
        '  # add your own below\n  "typing-extensions>=4.12",\n]\n\n[dependency-groups]',
    ),
    Edit(
        "pyproject.toml",
        "  # add your own below\n]\n\n# only for `make fuzz`",
        '  # add your own below\n  # for dates\n  "tzdata>=2025.1",\n]\n\n# only for `make fuzz`',
    ),
    Edit(
        "pyproject.toml",
        'rolled-back savepoint",\n  # add your own below\n',
        'rolled-back savepoint",\n  # add your own below\n  "greets: says hello to somebody",\n',
    ),
    Edit(".env.example", "LOG_LEVEL=INFO\n", "LOG_LEVEL=DEBUG\n"),
    Edit(".env.example", "# add your own below\n", "# add your own below\n# GREETING=Moin\n"),
    Edit(".gitignore", "# add your own below\n", "# add your own below\n/letters/\n*.greeting\n"),
    Edit(
        ".pre-commit-config.yaml",
        "      # add your own below\n",
        "      # add your own below\n"
        "      - id: no-farewells\n"
        "        name: nobody says goodbye\n"
        "        entry: goodbye, everybody\n"
        "        language: pygrep\n",
    ),
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

EDITS = (
    *EVERYWHERE,
    Edit(
        "src/app/features/users/models.py",
        "    is_active: Mapped[bool]",
        "    phone: Mapped[str | None] = mapped_column(String(32))\n    is_active: Mapped[bool]",
    ),
    Edit(
        "src/app/features/users/service.py",
        "    async def page(",
        '''\
    async def knows(self, user_id: UUID) -> bool:
        """Whether there is such a user."""
        return await self.find(user_id) is not None

    async def page(''',
    ),
    Edit(
        "src/app/routes.py",
        "    # add your own routers below, if they belong to no feature\n",
        "    # add your own routers below, if they belong to no feature\n    greetings.router,\n",
    ),
    Edit(
        "src/app/routes.py",
        "from app import features\n",
        "from app import features\nfrom app.api.v1 import greetings\n",
    ),
    Edit(
        "src/app/services.py",
        "from app.platform.auth.service import AuthService\n",
        "from app.greetings.service import GreetingService\nfrom app.platform.auth.service import AuthService\n",
    ),
    Edit(
        "src/app/services.py",
        "        # add your own below\n",
        "        # add your own below\n"
        "        self.greetings = GreetingService(\n"
        "            self.users,\n"
        "            resources.settings.process.greeting,\n"
        "        )\n",
    ),
    Edit(
        "src/app/resources.py",
        "from app.config import Settings\n",
        "from app.config import Settings\nfrom app.greetings.desk import Desk\n",
    ),
    Edit(
        "src/app/resources.py",
        'the service\'s own."""\n\n    async def open_own',
        'the service\'s own."""\n\n    desk: Desk\n\n    async def open_own',
    ),
    Edit(
        "src/app/resources.py",
        "SearchClient(self.settings.search))\n",
        "SearchClient(self.settings.search))\n"
        "        settings, stack, checks = self.settings, self.stack, self.checks\n"
        "        desk = Desk(settings.letters)\n"
        "        stack.push_async_callback(desk.close)\n"
        '        checks.append(Check("desk", desk.ping, critical=False))\n'
        "        self.desk = desk\n",
    ),
    Edit(
        "src/app/resources.py",
        "from app.platform.resources import PlatformResources\n",
        "from app.platform.resources import Check, PlatformResources\n",
    ),
    Edit(
        "src/app/models.py",
        "    # add your own below, if they belong to no feature\n",
        '    # add your own below, if they belong to no feature\n    "Letter",\n',
    ),
    Edit(
        "src/app/models.py",
        "from app import features\n",
        "from app import features\nfrom app.greetings.models import Letter\n",
    ),
    Edit(
        "src/app/config.py",
        "    # add your own groups below: search: SearchSettings = settings.group(SearchSettings)\n",
        "    # add your own groups below: search: SearchSettings = settings.group(SearchSettings)\n"
        "    letters: LetterSettings = group(LetterSettings)\n",
    ),
    Edit(
        "src/app/config.py",
        "\n@dataclass",
        "\n"
        "class LetterSettings(BaseSettings):\n"
        '    """How letters look."""\n'
        "\n"
        '    model_config = from_environment("LETTER_")\n'
        "\n"
        '    paper: str = Field(default="A5", description="such as A4")\n'
        "\n"
        "\n"
        "@dataclass",
    ),
    Edit(
        "src/app/config.py",
        "from app.platform import settings\n",
        "from app.platform import settings\nfrom app.platform.settings import from_environment, group\n",
    ),
    Edit(
        "src/app/config.py",
        "from dataclasses import dataclass\n",
        "from dataclasses import dataclass\n\nfrom pydantic import Field\nfrom pydantic_settings import BaseSettings\n",
    ),
    Edit(
        "src/app/dependencies.py",
        "\n# add your own below\n",
        "\n# add your own below\n"
        "\n"
        "\n"
        "async def get_desk(resources: ResourcesDep) -> Desk:\n"
        '    """Return the desk of this process."""\n'
        "    return resources.desk\n"
        "\n"
        "\n"
        "DeskDep = Annotated[Desk, Depends(get_desk)]\n",
    ),
    Edit(
        "src/app/dependencies.py",
        "from app.resources import Resources\n",
        "from app.greetings.desk import Desk\nfrom app.resources import Resources\n",
    ),
    Edit(
        "src/app/middleware.py",
        "from app.platform.http.limits",
        "from app.greetings.politeness import Politeness\nfrom app.platform.http.limits",
    ),
    Edit(
        "src/app/middleware.py",
        "        # add your own below\n",
        "        # add your own below\n"
        "        Middleware(\n"
        "            Politeness,\n"
        '            word="Moin",\n'
        "        ),\n",
    ),
    Edit(
        "src/app/platform/settings.py",
        "    redis_url: Annotated",
        '    greeting: str = "Moin"\n    redis_url: Annotated',
    ),
    Edit(
        "src/app/platform/settings.py",
        "max_body_bytes: int = Field(default=1_048_576,",
        "max_body_bytes: int = Field(default=2_097_152,",
    ),
)


# edits at anchors that came with later releases than the first
LATER = (
    Edit(
        "pyproject.toml",
        "  # add your own below\n]\nunmatched_ignore",
        "  # add your own below\n"
        "  # everybody may be greeted\n"
        '  "app.features.*.service -> app.greetings.**",\n'
        "]\nunmatched_ignore",
    ),
    Edit(
        "src/app/__main__.py",
        "    # add your own below: a function is called by its name, and gets an argument for each parameter\n",
        "    # add your own below: a function is called by its name, and gets an argument for each parameter\n"
        "    Command(\n"
        "        greetings.say_hello,\n"
        "    ),\n",
    ),
    Edit("src/app/__main__.py", "from app import models\n", "from app import greetings, models\n"),
)


def catch_up(project: Path) -> None:
    """Make the edits that could not be made in an earlier release."""
    for each in LATER:
        if each.after not in (project / each.path).read_text():
            each.apply(project)


def edit(project: Path) -> None:
    """Make all edits, as they were made in the release of the project."""
    from tests import owner_before_0_4 as before  # noqa: PLC0415 (it needs the class of this module)

    shutil.copytree(OWN_FILES, project, dirs_exist_ok=True)
    old = not (project / "src/app/platform").is_dir()
    if old:
        shutil.copytree(before.OWN_FILES, project, dirs_exist_ok=True)
    for each in before.EDITS if old else (*EDITS, *LATER):
        each.apply(project)
    # without the sample there is none
    (project / (before.DELETED if old else DELETED)).unlink(missing_ok=True)


def work_on(project: Path) -> None:
    """Make all edits, and commit them as one would."""
    edit(project)
    commit(project, "Our own work")


def lost(project: Path) -> list[str]:
    """What is no longer as the owner left it; a line for each."""
    own = {path: str(path.relative_to(OWN_FILES)) for path in OWN_FILES.rglob("*") if path.is_file()}
    files = [f"{name} is not as it was" for path, name in own.items() if _text(project / name) != path.read_text()]
    edits = [
        f"{each.path} lost:\n{each.after}" for each in (*EDITS, *LATER) if each.after not in _text(project / each.path)
    ]
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
