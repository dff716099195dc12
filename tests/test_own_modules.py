"""What the update from 0.3.1 to 0.4.0 leaves to owners: own modules in the template's folders, and a renamed sample."""

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import life, owner, rendering
from tests.edits import replace
from tests.releases import past_releases
from tests.shell import run
from tests.variants import plain_variants

(V0_3_1,) = (release for release in past_releases() if release.version == "0.3.1")

OWN = {
    # in folders that move into the platform, and in folders that are given up
    "src/app/db/soft.py": "from .base import Base\nfrom .session import Database\n\nUSED = (Base, Database)\n",
    "src/app/db/deep/__init__.py": "from ..soft import USED\n\n__all__ = ['USED']\n",
    "src/app/middleware/polite.py": "from app.middleware.timing import Timing\n\n\nclass Polite(Timing):\n    pass\n",
    "src/app/api/v1/letters.py": "from app.api.dependencies import ServicesDep\n\nUSED = ServicesDep\n",
    # in a folder that is the owner's afterwards as well
    "src/app/users/letters.py": "from .models import User\n\nUSED = User\n",
    "src/app/own.py": "from app.db import deep, soft\nfrom app.middleware import polite\n",
    "tests/db/test_soft.py": "from tests.db.helper import helped\n",
    # the name of a package that a later release brings
    "tests/make_load.py": "OURS = 1\n",
    "tests/db/helper.py": "from tests.support.refusing import refusing\n\nhelped = refusing\n",
}
# the template has the same text in both releases, but for imports of the owner's
MIGRATION = "migrations/service/0001_users.py"
PURCHASES = "src/app/purchases/service.py"


@dataclass
class Updated:
    root: Path
    said: str

    def text(self, path: str) -> str:
        return (self.root / path).read_text()

    def has(self, path: str) -> bool:
        return (self.root / path).exists()


@pytest.fixture(scope="module")
def updated(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Updated:
    """A project with all of it, updated by its own command, that of 0.3.1."""
    root = life.born(
        template, tmp_path_factory.mktemp("own") / "service", V0_3_1, plain_variants()[0].but(task_queue="arq")
    )
    for path, text in OWN.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(text)
    replace(root / MIGRATION, "from alembic import op\n", "from alembic import op\n\nfrom app.db import address\n")
    stack = root / "src/app/middleware/stack.py"
    replace(stack, "from app.middleware.rate", "from app.middleware.polite import Polite\nfrom app.middleware.rate")
    replace(stack, "        # add your own below\n", "        # add your own below\n        Middleware(Polite),\n")
    bodies = root / "tests/api/test_request_bodies.py"
    bodies.write_text(f"{bodies.read_text()}\n\nOURS = 1\n")
    _rename_the_sample(root)
    rendering.commit(root)
    return Updated(root, life.tool(root, "--trust", "update")[1])


def _rename_the_sample(root: Path) -> None:
    for old, new in {"src/app/orders": "src/app/purchases", "tests/orders": "tests/purchases"}.items():
        run("git", "mv", old, new, cwd=root)
    for path in [*root.glob("src/**/*.py"), *root.glob("tests/**/*.py")]:
        path.write_text(
            path.read_text().replace("app.orders", "app.purchases").replace("tests.orders", "tests.purchases")
        )


def _modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [each.name for each in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        # a name in capitals or with them is no module
        names = [each.name for each in node.names if node.module in {"app.db", "app.own_middleware", "tests.support"}]
        return [node.module, *(f"{node.module}.{name}" for name in names)]
    return []


def test_every_import_finds_its_module(updated: Updated) -> None:
    files = [path for folder in ("src", "tests", "migrations") for path in (updated.root / folder).rglob("*.py")]
    wanted = {
        (path, name) for path in files for node in ast.walk(ast.parse(path.read_bytes())) for name in _modules(node)
    }
    ours = {(path, name) for path, name in wanted if name.partition(".")[0] in {"app", "tests"}}
    lost = {
        (str(path.relative_to(updated.root)), name)
        for path, name in ours
        for place in [updated.root / ("" if name.startswith("tests") else "src") / name.replace(".", "/")]
        if not place.is_dir() and not place.with_suffix(".py").is_file()
    }
    assert not lost
    assert not owner.unmerged(updated.root), updated.said


def test_own_modules_stay_out_of_the_platform(updated: Updated) -> None:
    assert updated.text("src/app/db/soft.py").startswith(
        "from app.platform.db.base import Base\nfrom app.platform.db.session import Database\n"
    )
    assert updated.text("src/app/db/deep/__init__.py") == OWN["src/app/db/deep/__init__.py"]
    assert updated.text("src/app/features/users/letters.py") == OWN["src/app/users/letters.py"]
    assert updated.text("src/app/own.py") == OWN["src/app/own.py"].replace("app.middleware", "app.own_middleware")
    assert "from app.own_middleware.polite import Polite\n" in updated.text("src/app/middleware.py")
    assert "import TimingMiddleware" in updated.text("src/app/own_middleware/polite.py")
    assert not updated.has("src/app/middleware")
    assert not [path for path in updated.root.glob("src/app/platform/**/*.py") if path.stem in {"soft", "polite"}]


def test_packages_of_own_modules_stay_packages(updated: Updated) -> None:
    for path in ("api", "api/v1", "db", "own_middleware"):
        assert updated.has(f"src/app/{path}/__init__.py")


def test_what_edited_and_own_tests_use_stays(updated: Updated) -> None:
    assert "OURS" in updated.text("tests/api/test_request_bodies.py")
    for path in ("tests/api/conftest.py", "tests/support/everything.py", "tests/support/refusing.py"):
        assert updated.has(path)
    assert not updated.has("tests/support/families.py"), "nobody uses it"


def test_a_template_file_with_own_imports_is_not_set_back(updated: Updated) -> None:
    """The command of 0.3.1 gives back the owner's bytes where the template's text is the same in both releases."""
    assert "from app.platform.db import address\n" in updated.text(MIGRATION)


def test_a_module_that_a_new_package_hides_is_named(updated: Updated) -> None:
    assert "tests/make_load.py: hidden by the package tests/make_load/; rename yours, and its imports" in updated.said
    assert updated.said.count("hidden by") == 1
    assert updated.text("tests/make_load.py") == OWN["tests/make_load.py"]


def test_a_renamed_sample_is_the_owners(updated: Updated) -> None:
    assert "sample: none" in updated.text(".copier-answers.yml")
    assert "self.orders = OrdersWithReceipts(resources.database, resources.settings.payments)" in updated.text(
        "src/app/services.py"
    )
    assert "    orders.router,\n" in updated.text("src/app/routes.py")
    assert '    "Order",\n    "OrderLine",\n' in updated.text("src/app/models.py")
    assert "payments: PaymentSettings = group(PaymentSettings)\n" in updated.text("src/app/config.py")
    assert "Handler(DELIVER_RECEIPT, deliver_receipt)" in updated.text("src/app/jobs.py")
    assert "from app.platform.db.session import " in updated.text(PURCHASES)
    for path in ("src/app/api/v1/orders.py", "tests/api/test_orders.py", "migrations/service/0002_orders.py"):
        assert updated.has(path)
    assert not updated.has("src/app/features/orders")
