"""A switch or an update whose imports land where the owner's do: no conflict, and the imports stay sorted."""

from pathlib import Path

import pytest

from tests import future
from tests.edits import replace
from tests.life import tool
from tests.owner import unmerged
from tests.rendering import commit
from tests.shell import run

SERVICES = "src/app/services.py"
# sorts between the features that the sample has with and without a queue
OWN = "from app.features.parcels.service import ParcelService\n"


SERVICE = '''"""Parcels."""


class ParcelService:
    """Parcels."""

    def __init__(self, database: object) -> None:
        self._database = database
'''
LINES = """\
        # add your own below
        self.parcels = (
            ParcelService(resources.database)
        )
"""


def add_feature(project: Path, name: str = "parcels") -> None:
    """Add what the recipe in docs/features.md adds to the composition."""
    folder = project / "src/app/features" / name
    folder.mkdir()
    (folder / "__init__.py").write_text('"""Parcels."""\n')
    (folder / "service.py").write_text(SERVICE)
    services = project / SERVICES
    replace(services, "from app.features.users", f"{OWN}from app.features.users")
    replace(services, "        # add your own below\n", LINES)
    commit(project)


@pytest.mark.parametrize("queue", ["arq", "celery"])
def test_imports_in_the_same_place_do_not_conflict(project: Path, queue: str) -> None:
    add_feature(project)
    status, printed = tool(project, "switch", f"task_queue={queue}")
    assert status == 0, printed
    assert unmerged(project) == []
    text = (project / SERVICES).read_text()
    assert OWN in text
    assert "self.parcels = (" in text
    imports = [line for line in text.splitlines() if line.startswith("from app.features.")]
    assert imports == sorted(imports)
    assert len(imports) == 4
    assert not run("git", "diff", "--cached", "--name-only", cwd=project)


def test_another_conflict_in_the_file_stays_one(project: Path) -> None:
    add_feature(project)
    replace(
        project / SERVICES,
        "        self.orders = OrderService(resources.database, caches=resources.caches)\n",
        "        self.orders = OrderService(mine)\n",
    )
    commit(project)
    status, printed = tool(project, "switch", "task_queue=arq")
    assert status == 1
    assert unmerged(project) == [SERVICES], printed


def test_service_migrations_outlive_the_sample(project: Path) -> None:
    """And imports that lines of the owner's need; where their module is gone, it is said."""
    replace(
        project / SERVICES,
        "        # add your own below\n",
        "        # add your own below\n        self.more = OrderService\n",
    )
    commit(project)
    status, printed = tool(project, "switch", "sample=none")
    assert status == 0, printed
    assert "correct them:\n  src/app/services.py imports app.features.orders.service\n" in printed
    assert "from app.features.orders.service import OrderService\n" in (project / SERVICES).read_text()
    assert "Kept, because databases may have these migrations:\n  migrations/service/0002_orders.py\n" in printed
    assert (project / "migrations/service/0002_orders.py").is_file()
    assert not (project / "src/app/features/orders").exists()
    commit(project)
    status, printed = tool(project, "switch", "sample=orders")
    assert status == 0, printed
    assert (project / "src/app/features/orders").is_dir()
    assert (project / SERVICES).read_text().count("import OrderService\n") == 1


HTTP = "src/app/platform/http"
MIGRATION = f'''
from hooks.files import move
from hooks.imports import rename_modules


def after(update):
    move(update, "{HTTP}/ndjson.py", "{HTTP}/lines.py")
    rename_modules(update, {{"app.platform.http.ndjson": "app.platform.http.lines"}})
'''


def rename_ndjson(root: Path) -> None:
    """Rename a module in a release that imports something more in the line that imports it elsewhere."""
    http = root / "template" / HTTP
    (http / "ndjson.py").rename(http / "lines.py")
    replace(
        root / "template/src/app/features/orders/routes.py", "http import ndjson\n", "http import lines as ndjson\n"
    )
    replace(
        http / "application.py",
        "import docs, handlers, health, openapi\n",
        "import docs, errors, handlers, health, openapi\n",
    )
    future.migration(root, MIGRATION)


def test_what_a_migration_rewrote_stays_rewritten(project: Path, template: Path, tmp_path: Path) -> None:
    """In a file whose template is the same in both releases, and in one whose imports both sides changed."""
    same, both = project / "src/app/platform/security.py", project / HTTP / "application.py"
    replace(same, "from app.platform.settings", "from app.platform.http import ndjson\nfrom app.platform.settings")
    replace(both, "import docs, handlers, health, openapi\n", "import docs, handlers, health, ndjson, openapi\n")
    future.move_to(project, future.release(template, tmp_path / "future", rename_ndjson))
    status, printed = tool(project, "--trust", "update")
    assert status == 1, "the imports of one file conflict"
    assert unmerged(project) == [f"{HTTP}/application.py"], printed
    assert "from app.platform.http import lines\n" in same.read_text()
    assert "from app.platform.http import docs, handlers, health, lines, openapi\n" in both.read_text()
