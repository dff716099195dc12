"""What owners added to composition files of any release is carried to the new shapes of these files."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hooks.carriers import carry_models, carry_resources, carry_routes, carry_services
from tests.rendering import render
from tests.shapes import JOBS_SERVICES, MODELS, OLD, RESOURCES, ROUTES, SERVICES, changed, renamed
from tests.shell import run

Carrier = Callable[[str, str, str], str | None]
Carry = Callable[..., str | None]
PAGES: dict[Carrier, str] = {
    carry_services: "services.py",
    carry_resources: "resources.py",
    carry_models: "models.py",
    carry_routes: "api/router.py",
}


@pytest.fixture(scope="module", params=OLD, ids=lambda old: "-".join([old[0].version, *old[1].values()]))
def old(request: pytest.FixtureRequest, template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    release, answers = request.param
    return render(template, tmp_path_factory.mktemp("old") / "project", answers, ref=release.tag) / "src/app"


@pytest.fixture
def carry(old: Path, tmp_path: Path) -> Carry:
    """Carry the owner's edits of a release; ruff must have nothing to say about the result."""

    def carried(carrier: Carrier, fresh: str, *edits: tuple[str, str]) -> str | None:
        text = (old / PAGES[carrier]).read_text()
        result = carrier(renamed(text), renamed(changed(text, *edits)), fresh)
        if result is not None:
            (tmp_path / "result.py").write_text(result)
            party = "--config=lint.isort.known-first-party=['app','dev','tests']"
            for command in (["check", "--select=I,E,F", party], ["format", "--check"]):
                common = ["--isolated", "--no-cache", "--line-length=120", "result.py"]
                run(sys.executable, "-m", "ruff", *command, *common, cwd=tmp_path)
        return result

    return carried


# services

OWN_SERVICE = (
    ("from app.resources import", "from app.greetings.service import GreetingService\nfrom app.resources import"),
    ("    # add your own below\n\n\ndef", "    # add your own below\n    greetings: GreetingService\n\n\ndef"),
)
CALL = "        # add your own below\n    )"


def with_service(fresh: str, *lines: str) -> str:
    return fresh.replace(
        "from app.platform.auth", "from app.greetings.service import GreetingService\nfrom app.platform.auth"
    ) + "".join(f"        {line}\n" for line in lines)


def test_a_service_is_added_below_the_anchor(carry: Carry) -> None:
    """As docs/features.md says."""
    edit = (
        CALL,
        CALL.replace("\n    )", "\n        greetings=GreetingService(users, resources.settings.greeting),\n    )"),
    )
    for fresh in (SERVICES, JOBS_SERVICES):
        expected = with_service(fresh, "self.greetings = GreetingService(self.users, resources.settings.greeting)")
        assert carry(carry_services, fresh, *OWN_SERVICE, edit) == expected


def test_comments_statements_and_long_lines_come_along(carry: Carry) -> None:
    value = f"greetings=GreetingService(first, users, {'x' * 60}=1, yyyyyyyyyyyy=2),"
    edits = (
        ("    # add your own below\n\n\ndef", "    # a field\n    greetings: GreetingService\n\n\ndef"),
        ("    return Services(", "    # a local\n    first = users.first  # of all\n    return Services("),
        (CALL, f"        # a keyword\n        {value}\n{CALL}"),
    )
    result = carry(carry_services, SERVICES, OWN_SERVICE[0], *edits)
    assert result == with_service(
        SERVICES,
        "# a local",
        "first = self.users.first  # of all",
        "# a field",
        "# a keyword",
        "self.greetings = GreetingService(",
        f"    first, self.users, {'x' * 60}=1, yyyyyyyyyyyy=2",
        ")",
    )


def test_several_lines_keep_their_layout(carry: Carry) -> None:
    value = "        greetings=GreetingService(\n            users,  # who\n            7,\n        ),\n    )"
    result = carry(carry_services, SERVICES, *OWN_SERVICE, (CALL, CALL.replace("    )", value)))
    lines = ("self.greetings = GreetingService(", "    self.users,  # who", "    7,", ")")
    assert result == with_service(SERVICES, *lines)


def test_a_service_of_the_templates_is_made_otherwise(carry: Carry, old: Path) -> None:
    text = (old / "services.py").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("        orders=")]
    edits = (
        (line, "        orders=MyOrders(resources.database, users),  # ours"),
        ("from app.resources import", "from app.mine import MyOrders\nfrom app.resources import"),
        ("users = UserService(resources.database,", "users = UserService(resources.other,"),
    )
    # the template's own import may be left over in the old file
    result = carry(carry_services, SERVICES, *edits)
    expected = (
        SERVICES.replace("OrderService(resources.database)", "MyOrders(resources.database, self.users)  # ours")
        .replace("from app.features.orders.service import OrderService\n", "")
        .replace("from app.platform.auth", "from app.mine import MyOrders\nfrom app.platform.auth")
        .replace("UserService(resources.database,", "UserService(resources.other,")
    )
    assert result == expected


def test_the_sample_that_is_gone_stays_gone(carry: Carry, old: Path) -> None:
    text = (old / "services.py").read_text()
    lines = [line for line in text.splitlines(keepends=True) if line.lstrip().startswith(("orders", "payments"))]
    result = carry(carry_services, JOBS_SERVICES, *((line, "") for line in lines))
    gone = [line for line in SERVICES.splitlines(keepends=True) if "rders" in line]
    expected = SERVICES
    for line in gone:
        expected = expected.replace(line, "")
    if "payments=" in text:
        assert result == expected
    else:
        # orders are paid there
        assert result is not None
        assert "self.payments" in result
        assert "self.orders" not in result


@pytest.mark.parametrize(
    "edit",
    [
        ("    users: UserService\n", ""),
        ("        users=users,\n", ""),
        ("    return Services(", "    if resources:\n        users = None\n    return Services("),
        ("        # add your own below\n    )", "        **more,\n    )"),
        ("@dataclass(frozen=True, slots=True)", "@dataclass"),
        ('"""What the API, a worker or a script calls."""', '"""Ours."""'),
        ("resources: Resources)", "resources: Resources, more: int)"),
        ("    users: UserService\n", "    users: UserService  # first\n"),
    ],
)
def test_other_edits_of_services_are_not_understood(edit: tuple[str, str], carry: Carry) -> None:
    result = carry(carry_services, SERVICES, edit)
    if edit == ("    users: UserService\n", ""):
        assert result == SERVICES, "types are inferred"
    else:
        assert result is None


# resources

ANCHOR = "        # add your own below\n\n"
SEARCH = "        search = SearchClient(settings.search)\n        stack.push_async_callback(search.close)\n"
CHECKED = '        checks.append(Check("search", search.ping))\n        log.info("search")\n'


def with_search(opened: str, fields: str = "    search: SearchClient\n") -> str:
    return (
        RESOURCES.replace('own."""\n\n    async', f'own."""\n\n{fields}\n    async').replace(
            "import PlatformResources\n", "import PlatformResources\nfrom app.search import SearchClient\n"
        )
        + opened
    )


@pytest.mark.parametrize("how", ["place", "keyword"])
def test_a_resource_is_opened_below_the_anchor(how: str, carry: Carry, old: Path) -> None:
    text = (old / "resources.py").read_text()
    (line,) = [line for line in text.splitlines() if "yield Resources(" in line]
    field = "    checks: tuple[Check, ...]\n"
    argument = "search, tuple(checks)" if how == "place" else "tuple(checks)"
    given = line.replace("tuple(checks)", argument)
    edits = (
        (field, f"    search: SearchClient\n{field}" if how == "place" else field),
        (line, given if how == "place" else f"{given[:-1]}, search=search)"),
        (ANCHOR, ANCHOR[:-1] + SEARCH + "\n"),
        ("from app.security import", "from app.search import SearchClient\nfrom app.security import"),
    )
    last = [line for line in text.splitlines(keepends=True) if line.startswith("    broker: ")] or [field]
    added = () if how == "place" else ((last[0], f"{last[0]}    search: SearchClient = SearchClient()\n"),)
    result = carry(carry_resources, RESOURCES, *(edit for edit in edits if edit[0] != edit[1]), *added)
    bound = "        settings, stack = self.settings, self.stack\n"
    assert result == with_search(f"{bound}{SEARCH}        self.search = search\n")


def test_checks_and_the_log_come_along(carry: Carry, old: Path) -> None:
    text = (old / "resources.py").read_text()
    (line,) = [line for line in text.splitlines() if "yield Resources(" in line]
    edits = (
        (
            "    # add your own below\n    checks",
            "    # add your own below\n    # finds\n    search: SearchClient\n    checks",
        ),
        (line, line.replace("tuple(checks)", "search, tuple(checks)")),
        (ANCHOR, ANCHOR[:-1] + SEARCH + CHECKED + "\n"),
        ("from app.security import", "from app.search import SearchClient\nfrom app.security import"),
    )
    result = carry(carry_resources, RESOURCES, *edits)
    bound = "        settings, stack, checks = self.settings, self.stack, self.checks\n"
    expected = with_search(
        f"{bound}{SEARCH}{CHECKED}        self.search = search\n", "    # finds\n    search: SearchClient\n"
    )
    expected = expected.replace("import PlatformResources", "import Check, PlatformResources").replace(
        "from app.config", "import structlog\n\nfrom app.config"
    )
    assert result == expected.replace("\n\n\nclass", "\n\nlog = structlog.get_logger(__name__)\n\n\nclass")


@pytest.mark.parametrize(
    "edit",
    [
        ("await database.init()", "await database.init(7)"),
        ("    critical: bool = True", "    critical: bool = False"),
        (ANCHOR, ANCHOR[:-1] + "        checks = [*checks]\n\n"),
        ("            # the limiter counts by itself meanwhile\n", "            # ours\n"),
        ("    limiter: RateLimiter\n", "    limiter: RateLimiter | None\n"),
        ("        stack.callback(hasher.close)\n", ""),
    ],
)
def test_other_edits_of_resources_are_not_understood(edit: tuple[str, str], carry: Carry) -> None:
    assert carry(carry_resources, RESOURCES, edit) is None


# routes and models


def test_a_router_is_added(carry: Carry) -> None:
    result = carry(
        carry_routes,
        ROUTES,
        ("import auth, orders, users", "import auth, greetings, notes, orders, users"),
        ("    orders.router,\n", "    # first\n    notes.router,  # of all\n    orders.router,\n"),
        (
            "routers below\n",
            "routers below\n    greetings.router,\n    *(\n        one\n        for one in notes.more  # each\n    ),\n",
        ),
    )
    own = (
        "    # first\n    notes.router,  # of all\n    greetings.router,\n"
        "    *(\n        one\n        for one in notes.more  # each\n    ),\n"
    )
    assert result == ROUTES.replace("routers below\n", f"routers below\n{own}").replace(
        "from app.platform.auth", "from app.api.v1 import greetings, notes\nfrom app.platform.auth"
    )


def test_the_samples_router_may_be_gone_and_no_other(carry: Carry) -> None:
    orders = (("import auth, orders, users", "import auth, users"), ("    orders.router,\n", ""))
    assert carry(carry_routes, ROUTES, *orders) == ROUTES
    assert carry(carry_routes, ROUTES, ("    users.router,\n", "")) is None
    assert (
        carry(carry_routes, ROUTES, ("    auth.router,\n    users.router,\n", "    users.router,\n    auth.router,\n"))
        is None
    )
    assert carry(carry_routes, ROUTES, ('prefix="/api/v1"', 'prefix="/api/v2"')) is None


def test_a_model_is_added(carry: Carry) -> None:
    edits = (
        (
            "from app.orders.models import",
            "import app.more.models  # noqa: F401\nfrom app.notes.models import Note\nfrom app.orders.models import",
        ),
        ('"IdempotencyKey",', '"IdempotencyKey", "Note",'),
        ("imported here\n", "imported here\n# ours\n"),
    )
    expected = MODELS.replace("own below\n", 'own below\n    "Note",\n').replace(
        "from app.platform.composition",
        "from app.notes.models import Note\nfrom app.platform.composition",
    )
    expected = expected.replace("\n\nfrom", "\n\nimport app.more.models  # noqa: F401\nfrom", 1)
    assert carry(carry_models, MODELS, *edits) == f"{expected}# ours\n"


def test_the_samples_models_may_be_gone(carry: Carry) -> None:
    edits = (("from app.orders.models import Order, OrderLine\n", ""), ('"Order", "OrderLine", ', ""))
    assert carry(carry_models, MODELS, *edits) == MODELS


def test_what_is_no_python_is_not_understood() -> None:
    for carrier in PAGES:
        assert carrier("x = 1\n", "x = (\n", "x = 1\n") is None
        assert carrier("x = 1\n", "x = 2\n", "x = 1\n") is None
