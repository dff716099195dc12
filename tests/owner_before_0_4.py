"""The edits of the owner in the releases before 0.4.0, whose files had other places and shapes."""

from tests.edits import Edit
from tests.owner_edits import EVERYWHERE
from tests.variants import ROOT

# the owner's own files that import the template's from other places then
OWN_FILES = ROOT / "tests/owner_files_before_0_4"

DELETED = "tests/orders/test_round_trips.py"

EDITS = (
    *EVERYWHERE,
    Edit(
        "src/app/users/models.py",
        "    is_active: Mapped[bool]",
        "    phone: Mapped[str | None] = mapped_column(String(32))\n    is_active: Mapped[bool]",
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
        "src/app/api/dependencies.py",
        "from app.context import Actor, actor\n",
        "from app.context import Actor, actor\nfrom app.greetings.desk import Desk\n",
    ),
    Edit(
        "src/app/api/dependencies.py",
        "ServicesDep = Annotated[Services, Depends(get_services)]\n",
        "ServicesDep = Annotated[Services, Depends(get_services)]\n"
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
        "        greetings=GreetingService(\n"
        "            users,\n"
        "            resources.settings.process.greeting,\n"
        "        ),\n    )",
    ),
    Edit(
        "src/app/resources.py",
        "from app.db.session import Database\n",
        "from app.db.session import Database\nfrom app.greetings.desk import Desk\n",
    ),
    Edit(
        "src/app/resources.py",
        "    # add your own below\n    checks",
        "    # add your own below\n    desk: Desk\n    checks",
    ),
    Edit(
        "src/app/resources.py",
        "        # add your own below\n\n        yield Resources(settings, database, hasher, limiter, ",
        "        # add your own below\n"
        "        desk = Desk(settings.letters)\n"
        "        stack.push_async_callback(desk.close)\n"
        '        checks.append(Check("desk", desk.ping, critical=False))\n'
        "\n"
        "        yield Resources(settings, database, hasher, limiter, desk, ",
    ),
    Edit(
        "src/app/models.py",
        "from app.idempotency import IdempotencyKey\n",
        "from app.greetings.models import Letter\nfrom app.idempotency import IdempotencyKey\n",
    ),
    Edit("src/app/models.py", '"IdempotencyKey", ', '"IdempotencyKey", "Letter", '),
    Edit(
        "src/app/config.py",
        "# add your own group above, and a field for it below\n",
        "class LetterSettings(BaseSettings):\n"
        '    """How letters look."""\n'
        "\n"
        '    model_config = _group("LETTER_")\n'
        "\n"
        '    paper: str = Field(default="A5", description="such as A4")\n'
        "\n"
        "\n"
        "# add your own group above, and a field for it below\n",
    ),
    Edit("src/app/config.py", "    log: LogSettings\n", "    log: LogSettings\n    letters: LetterSettings\n"),
    Edit(
        "src/app/config.py",
        "    log, log_problems = _read(LogSettings)\n",
        "    log, log_problems = _read(LogSettings)\n    letters, letter_problems = _read(LetterSettings)\n",
    ),
    Edit(
        "src/app/config.py", " + auth_problems + log_problems\n", " + auth_problems + log_problems + letter_problems\n"
    ),
    Edit(
        "src/app/config.py", " or auth is None or log is None:", " or auth is None or log is None or letters is None:"
    ),
    Edit("src/app/config.py", "auth=auth, log=log", "auth=auth, log=log, letters=letters"),
    Edit("src/app/config.py", "    redis_url: Annotated", '    greeting: str = "Moin"\n    redis_url: Annotated'),
    Edit(
        "src/app/config.py",
        "max_body_bytes: int = Field(default=1_048_576,",
        "max_body_bytes: int = Field(default=2_097_152,",
    ),
    Edit(
        "src/app/middleware/stack.py",
        "from app.middleware.access_log",
        "from app.greetings.politeness import Politeness\nfrom app.middleware.access_log",
    ),
    Edit(
        "src/app/middleware/stack.py",
        "        # add your own below\n",
        "        # add your own below\n"
        "        Middleware(\n"
        "            Politeness,\n"
        '            word="Moin",\n'
        "        ),\n",
    ),
    Edit("pyproject.toml", '  "app.auth",\n  # your', '  "app.auth",\n  "app.greetings",\n  # your'),
)
