"""The edits of an owner who has worked on a service for a while.

They are where owners edit: below the anchors, and in the middle of files that releases and answers change, too; not in
`dev/`, so that its tests need not run again.
"""

from tests.edits import Edit

DELETED = "tests/features/orders/test_round_trips.py"

# edits of files that have the same place and shape in all releases
EVERYWHERE = (
    Edit("pyproject.toml", '  "limits', '  "itsdangerous>=2.2",\n  "limits'),
    Edit(
        "pyproject.toml",
        "  # add your own below\n]\n\n[dependency-groups]",
        '  # add your own below\n  "typing-extensions>=4.12",\n]\n\n'
        '[project.optional-dependencies]\nreports = ["typing-extensions>=4.12"]\n\n[dependency-groups]',
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
