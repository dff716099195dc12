"""What owners added to `services.py` of any release is carried to its new shape."""

import pytest

from hooks.carriers import carry_services
from tests.carrying import Carry
from tests.shapes import JOBS_SERVICES, SERVICES

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


def test_a_service_of_the_templates_is_made_otherwise(carry: Carry) -> None:
    text = carry.text(carry_services)
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


def test_the_sample_that_is_gone_stays_gone(carry: Carry) -> None:
    text = carry.text(carry_services)
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
