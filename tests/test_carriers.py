"""What owners added to other composition files of any release is carried to their new shapes."""

import pytest

from hooks.carriers import carry_models, carry_resources, carry_routes
from tests.carrying import PAGES, Carrier, Carry
from tests.shapes import MODELS, RESOURCES, ROUTES, SERVICES

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
def test_a_resource_is_opened_below_the_anchor(how: str, carry: Carry) -> None:
    text = carry.text(carry_resources)
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


def test_checks_and_the_log_come_along(carry: Carry) -> None:
    text = carry.text(carry_resources)
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
            "routers below\n    greetings.router,\n    *(\n        one\n        for one in notes.more  # it\n    ),\n",
        ),
    )
    own = (
        "    # first\n    notes.router,  # of all\n    greetings.router,\n"
        "    *(\n        one\n        for one in notes.more  # it\n    ),\n"
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


@pytest.mark.parametrize(("carrier", "fresh"), [*zip(PAGES, (SERVICES, RESOURCES, MODELS, ROUTES), strict=True)])
def test_a_comment_at_the_end_stays_at_the_end(carrier: Carrier, fresh: str, carry: Carry) -> None:
    last = carry.text(carrier)[-40:]
    apart = "\n\n" if "class" in fresh else ""
    assert carry(carrier, fresh, (last, f"{last}# signed\n")) == f"{fresh}{apart}# signed\n"


def test_what_is_no_python_is_not_understood() -> None:
    for carrier in PAGES:
        assert carrier("x = 1\n", "x = (\n", "x = 1\n") is None
        assert carrier("x = 1\n", "x = 2\n", "x = 1\n") is None
