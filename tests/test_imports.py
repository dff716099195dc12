"""Imports of a text after a release that moved modules."""

from textwrap import dedent

import pytest

from hooks.imports import rewrite, rewritten
from hooks.renames import Renames
from hooks.source import UnreadableError

NAMES = {
    "app.db": "app.platform.db",
    "app.db.legacy": "app.db.legacy",
    "app.logging": "app.platform.logging",
    "app.tasks": "app.platform.jobs",
    "app.tasks.ledger": "app.platform.jobs.transitions",
    "app.api.dependencies": "app.platform.http.dependencies",
    "app.api.dependencies:ServicesDep": "app.dependencies:ServicesDep",
    "app.middleware": "app.platform.http.middleware",
    "app.middleware.failures:Failures": "app.platform.http.middleware.failures:FailuresMiddleware",
    "app.main": "app.platform.main",
    "app.zeta": "app.alpha",
    "app.errors": "app.platform.errors",
}
RENAMES = Renames(NAMES)


def now(before: str) -> str:
    """What becomes of a text; once more, nothing."""
    after = rewrite(dedent(before), RENAMES)
    assert rewrite(after, RENAMES) == after
    return after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("import app.db\n", "import app.platform.db\n"),
        ("import app.db as data\n", "import app.platform.db as data\n"),
        ("from app.db import pool\n", "from app.platform.db import pool\n"),
        ("from app.db.legacy import Old\n", "from app.db.legacy import Old\n"),
        ("from app.db import legacy, pool\n", "from app.db import legacy\nfrom app.platform.db import pool\n"),
        ("from app.database import x\n", "from app.database import x\n"),
        ("from app import logging, models\n", "from app import models\nfrom app.platform import logging\n"),
        ("from app import logging as log\n", "from app.platform import logging as log\n"),
        ("from app.db import *\n", "from app.platform.db import *\n"),
        ("from . import db\nfrom .db import pool\n", "from . import db\nfrom .db import pool\n"),
        ("def f():\n    from app.db import pool\n", "def f():\n    from app.platform.db import pool\n"),
        ("if x: import app.db\n", "if x: import app.platform.db\n"),
        ("import app.db; y = 1\n", "import app.platform.db; y = 1\n"),
        ("import os, app.db as d\n", "import os, app.platform.db as d\n"),
        (
            "x = 1; from app import logging, models\n",
            "x = 1; from app.platform import logging; from app import models\n",
        ),
        ("from app.db import pool", "from app.platform.db import pool"),
        (
            "try:\n    import app.db\nexcept E:\n    import app.db.x\nelse:\n    import os\n",
            "try:\n    import app.platform.db\nexcept E:\n    import app.platform.db.x\nelse:\n    import os\n",
        ),
    ],
)
def test_an_import_is_of_the_new_module(before: str, after: str) -> None:
    assert now(before) == after


def test_names_of_one_module_go_to_several() -> None:
    before = """\
        from app.api.dependencies import (  # noqa: F401
            CallerId,  # who asks
            # all there is
            ServicesDep,
            paging as pages,
        )
    """
    assert now(before) == dedent("""\
        from app.dependencies import (
            # all there is
            ServicesDep,
        )
        from app.platform.http.dependencies import (  # noqa: F401
            CallerId,  # who asks
        )
        from app.platform.http.dependencies import paging as pages
    """)


def test_a_comment_stays_with_most_names() -> None:
    before = "from app.api.dependencies import CallerId, Paging, ServicesDep  # noqa: TC001\n"
    assert now(before) == (
        "from app.dependencies import ServicesDep\n"
        "from app.platform.http.dependencies import CallerId, Paging  # noqa: TC001\n"
    )


def test_a_run_is_sorted_and_merged_with_its_comments() -> None:
    before = """\
        import structlog

        # first of all
        from app.alpha import one
        from app.models import Base
        # the last
        from app.zeta import TWO, Three

        x = 1
        from app.models import Z
        from app.cache import A
    """
    assert now(before) == dedent("""\
        import structlog

        # first of all
        # the last
        from app.alpha import TWO, Three, one
        from app.models import Base

        x = 1
        from app.models import Z
        from app.cache import A
    """)


def test_a_long_line_is_wrapped_and_a_short_one_is_not() -> None:
    names = ", ".join(f"name_{number}" for number in range(11, 21))
    fits, wrapped = f"from app.main import {names}\n", f"from app.main import {names}xxx\n"
    assert now(fits) == fits.replace("app.main", "app.platform.main")
    lines = "".join(f"    {name},\n" for name in f"{names}xxx".split(", "))
    assert now(wrapped) == f"from app.platform.main import (\n{lines})\n"
    assert now(f"from app.main import (\n{lines})\n") == f"from app.platform.main import (\n{lines})\n"


@pytest.mark.parametrize(
    ("body", "renamed"),
    [
        ("x = ledger.claim(ledger)\n", "x = transitions.claim(transitions)\n"),
        ("é = 'ü', ledger.x, other.ledger\n", "é = 'ü', transitions.x, other.ledger\n"),
        ("call(ledger=ledger)\n", "call(ledger=transitions)\n"),
    ],
)
def test_uses_are_called_as_the_name_is(body: str, renamed: str) -> None:
    imported = "from app.platform.jobs import transitions\n"
    assert now(f"from app.tasks import ledger\n{body}") == f"{imported}{renamed}"


@pytest.mark.parametrize(
    "body",
    [
        "transitions = []\nledger.x\n",
        "def f(ledger): return ledger\n",
        "from other import transitions\n",
        "__all__ = ['ledger']\n",
        "match x:\n    case {**ledger}: pass\n",
        "try: pass\nexcept E as ledger: pass\n",
    ],
)
def test_what_cannot_be_called_otherwise_keeps_its_name(body: str) -> None:
    assert now(f"from app.tasks import ledger\n\n{body}") == (
        f"from app.platform.jobs import transitions as ledger\n\n{body}"
    )


def test_modules_that_get_the_same_name_keep_their_old_ones() -> None:
    renames = Renames({f"app.v1.{name}": f"app.features.{name}.routes" for name in ("orders", "users")})
    assert rewrite("from app.v1 import orders, users\n\norders.x, users.x\n", renames) == (
        "from app.features.orders import routes as orders\n"
        "from app.features.users import routes as users\n\norders.x, users.x\n"
    )
    assert rewrite("from app.v1 import orders\n\norders.x\n", renames) == (
        "from app.features.orders import routes\n\nroutes.x\n"
    )


def test_paths_of_modules_are_rewritten_where_they_are_used() -> None:
    before = """\
        import app.api.dependencies
        import app.db.session

        app.db.session.X.app.db(app.db, app.database)
        app.api.dependencies.ServicesDep
        app.api.dependencies.Paging
    """
    assert now(before) == dedent("""\
        import app.dependencies
        import app.platform.db.session
        import app.platform.http.dependencies

        app.platform.db.session.X.app.db(app.platform.db, app.database)
        app.dependencies.ServicesDep
        app.platform.http.dependencies.Paging
    """)


def test_an_attribute_of_a_module_is_called_otherwise() -> None:
    assert now("from app.middleware import failures as f\nf.Failures.x\n") == (
        "from app.platform.http.middleware import failures as f\nf.FailuresMiddleware.x\n"
    )
    assert now("def f(app: object) -> None:\n    app.db.x\n") == "def f(app: object) -> None:\n    app.db.x\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"app.db.session.Database"', '"app.platform.db.session.Database"'),
        ("'app.main:create_app'", "'app.platform.main:create_app'"),
        ('"app.middleware.failures.Failures"', '"app.platform.http.middleware.failures.FailuresMiddleware"'),
        ('"app.middleware.failures:Failures"', '"app.platform.http.middleware.failures:FailuresMiddleware"'),
        ('"app.db and more"', '"app.db and more"'),
        ('"app.database"', '"app.database"'),
        ('"app." "db"', '"app." "db"'),
        ('f"app.db"', 'f"app.db"'),
    ],
)
def test_strings_that_are_a_path(before: str, after: str) -> None:
    assert now(f"x = {before}\n") == f"x = {after}\n"


def test_bytes_stay_what_they_are() -> None:
    text = "\ufefffrom app.tasks import ledger\r\n\r\n\r\nx = 'é', ledger\r\nfrom app import models, logging\r\n"
    assert rewritten(text.encode(), RENAMES).decode() == (
        "\ufefffrom app.platform.jobs import transitions\r\n\r\n\r\nx = 'é', transitions\r\n"
        "from app import models\r\nfrom app.platform import logging\r\n"
    )
    for content in (b"", b"import os,  sys\r\nx = (\n", b"\xff", b"from app.models import b,  a\r\n\n\r"):
        assert rewritten(content, RENAMES) == content
    for content in (b"import app.db\nx = (\n", b"import app.db\n# \xff\n", b"import app.db\n\0"):
        with pytest.raises(UnreadableError):
            rewritten(content, RENAMES)
