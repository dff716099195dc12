"""Files of another shape, through Copier's command line: what the owner added is in the new ones."""

from pathlib import Path

import pytest

from tests import shapes
from tests.composed import APP, PAYMENTS, Old, called, contracts, released
from tests.shapes import changed
from tests.simulated import Project


@pytest.fixture(scope="module")
def old(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Old:
    return released(template, tmp_path_factory.mktemp("compose"))


def test_an_untouched_project_is_as_if_rendered_afresh(old: Old) -> None:
    project = old.project("untouched")
    said = project.update()
    assert old.unlike_fresh(project) == set()
    assert "src" not in said.replace("/src/", "")


# one owner who added to each file

SEARCH = '''\
class SearchSettings(BaseSettings):
    """Search."""

    model_config = _group("SEARCH_")

    url: AnyUrl | None = None
    hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = ()
    timeout: Seconds = 3.0


'''
SERVICE = "from app.greetings.service import GreetingService\n"
CONFIG_EDITS = (
    (f"{APP}/config.py", PAYMENTS[1], f"{SEARCH}{PAYMENTS[1]}"),
    (f"{APP}/config.py", "    log: LogSettings\n", "    log: LogSettings\n    search: SearchSettings  # finds\n"),
    (f"{APP}/config.py", "AfterValidator, BeforeV", "AfterValidator, AnyUrl, BeforeV"),
    (
        f"{APP}/config.py",
        "    tasks, task_problems",
        "    search, search_problems = _read(SearchSettings)\n    tasks, task_problems",
    ),
    (f"{APP}/config.py", "payment_problems\n    if", "payment_problems + search_problems\n    if"),
    (f"{APP}/config.py", "if tasks is None", "if search is None or tasks is None"),
    (f"{APP}/config.py", "log=log, tasks", "log=log, search=search, tasks"),
)
EDITS = (
    (f"{APP}/services.py", "from app.orders", f"{SERVICE}from app.orders"),
    (
        f"{APP}/services.py",
        "    # add your own below\n\n\n",
        "    # add your own below\n    greetings: GreetingService\n\n\n",
    ),
    (
        f"{APP}/services.py",
        "        # add your own below\n",
        "        # add your own below\n        greetings=GreetingService(users),\n",
    ),
    (f"{APP}/api/router.py", "import auth, orders", "import auth, greetings, orders"),
    (f"{APP}/api/router.py", "routers below\n", "routers below\n    greetings.router,\n"),
    (f"{APP}/models.py", "from app.orders", "from app.notes.models import Note\nfrom app.orders"),
    (f"{APP}/models.py", '"IdempotencyKey",', '"IdempotencyKey", "Note",'),
    (
        f"{APP}/resources.py",
        "        # add your own below\n",
        "        # add your own below\n        stack.callback(print)\n",
    ),
    *CONFIG_EDITS,
    (f"{APP}/config.py", "max_body_bytes: int = Field(default=1_048_576", "max_body_bytes: int = Field(default=7"),
    (
        f"{APP}/config.py",
        "    webhook_timeout: Seconds = 10.0\n",
        "    webhook_timeout: Seconds = 20.0\n    key: SecretStr\n",
    ),
    ("pyproject.toml", '  "app.auth",\n  # your', '  "app.auth",\n  "app.greetings",\n  # your'),
    ("pyproject.toml", '"app.orders | app.users"', '"app.notes | app.orders | app.users"'),
)


@pytest.fixture(scope="module")
def updated(old: Old) -> tuple[Project, str]:
    project = old.project("edited", *EDITS)
    return project, project.update()


def test_all_additions_are_in_the_new_shapes(updated: tuple[Project, str]) -> None:
    project, said = updated
    assert not project.unmerged()
    text = project.text(f"{APP}/services.py")
    assert text == changed(
        shapes.JOBS_SERVICES + "        self.greetings = GreetingService(self.users)\n",
        ("from app.platform.auth", f"{SERVICE}from app.platform.auth"),
    )
    assert "    greetings.router,\n)" in project.text(f"{APP}/routes.py")
    assert not project.has(f"{APP}/api/router.py")
    assert '    "Note",\n]' in project.text(f"{APP}/models.py")
    opened = "        stack = self.stack\n        stack.callback(print)\n"
    assert project.text(f"{APP}/resources.py") == shapes.RESOURCES + opened
    for name in ("services.py", "routes.py", "models.py", "resources.py"):
        assert f"{APP}/{name}: has another shape now; your additions to it are carried over, please look" in said


def test_own_groups_stay_and_edits_follow_the_templates_groups(updated: tuple[Project, str], old: Old) -> None:
    project, _ = updated
    config = project.text(f"{APP}/config.py")
    assert called(SEARCH) in config
    assert "    search: SearchSettings = group(SearchSettings)  # finds\n" in config
    assert "import PlatformSettings, Seconds, from_environment, group, read, split_list\n" in config
    platform = (old.fresh / APP / "platform/settings.py").read_text()
    expected = changed(
        platform, ("max_body_bytes: int = Field(default=1_048_576", "max_body_bytes: int = Field(default=7")
    )
    assert project.text(f"{APP}/platform/settings.py") == expected
    payments = project.text(f"{APP}/features/payments/settings.py")
    assert "    webhook_timeout: Seconds = 20.0\n    key: SecretStr\n" in payments
    assert "from pydantic import BeforeValidator, Field, SecretStr\n" in payments


def test_modules_are_taken_out_of_thecontracts(updated: tuple[Project, str], old: Old) -> None:
    project, said = updated
    assert project.text("pyproject.toml") == contracts(old.texts["pyproject.toml"])
    assert "pyproject.toml: the import contracts name no single modules any more, so these are gone: " in said
    assert "so these are gone: app.greetings, app.notes\n" in said


# what is not understood, deleted, in the way


def test_what_is_not_understood_is_merged_by_lines(old: Old) -> None:
    contract = '\n[[tool.importlinter.contracts]]\nname = "ours"\ntype = "layers"\nlayers = [\n  "app.x",\n]\n'
    project = old.project(
        "odd",
        (f"{APP}/services.py", "    users: UserService\n", "    users: UserService  # ours\n"),
        (f"{APP}/api/router.py", 'prefix="/api/v1"', 'prefix="/v1"'),
        (f"{APP}/config.py", "    problems += _contradictions", "    print(7)\n    problems += _contradictions"),
        ("pyproject.toml", "  # your features", "  # ours\n  # your features"),
        more={"pyproject.toml": old.texts["pyproject.toml"] + contract},
    )
    said = project.update()
    assert project.unmerged() == [
        "pyproject.toml",
        f"{APP}/platform/settings.py",
        f"{APP}/routes.py",
        f"{APP}/services.py",
    ]
    for path, own in {"routes.py": '"/v1"', "services.py": "# ours", "platform/settings.py": "print(7)"}.items():
        assert own in project.text(f"{APP}/{path}")
    assert f"{APP}/routes.py: has another shape now, and your edits of {APP}/api/router.py fit none" in said
    assert f"{APP}/platform/settings.py: has all of your {APP}/config.py" in said
    assert project.text(f"{APP}/config.py") == shapes.JOBS_CONFIG
    assert contract in project.text("pyproject.toml")
    assert not project.has(f"{APP}/api/router.py")


def test_what_is_deleted_or_in_the_way_stays_so(old: Old) -> None:
    project = old.project(
        "deleted",
        more={
            f"{APP}/resources.py": None,
            f"{APP}/routes.py": "mine\n",
            f"{APP}/orders/service.py": None,
            f"{APP}/services.py": old.texts[f"{APP}/services.py"].replace("\n", "\r\n") + "# ours\r\n",
        },
    )
    project.update()
    assert not project.has(f"{APP}/resources.py")
    assert "mine\n" in project.text(f"{APP}/routes.py")
    assert project.unmerged() == [f"{APP}/routes.py"]
    written = (project.root / APP / "services.py").read_bytes().decode()
    assert written == (shapes.JOBS_SERVICES + "\n\n# ours\n").replace("\n", "\r\n")


def test_the_sample_stays_gone(old: Old) -> None:
    """As docs/jobs.md says, without the orders."""
    path = f"{APP}/config.py"
    text = old.texts[path]
    start, end = (text.index(mark) for mark in PAYMENTS)
    group = "    payments: PaymentSettings = field(default_factory=PaymentSettings.model_construct)\n"
    project = old.project(
        "gone",
        (path, group, ""),
        (path, "    payments, payment_problems = _read(PaymentSettings)\n", ""),
        (path, " + payment_problems", ""),
        (path, "if tasks is None or payments is None:", "if tasks is None:"),
        (path, "tasks=tasks, payments=payments)", "tasks=tasks)"),
        more={path: text[:start] + text[end:], f"{APP}/payments/service.py": None},
    )
    project.update()
    assert not project.unmerged()
    assert project.text(path) == shapes.CONFIG
    assert not project.has(f"{APP}/features/payments")
    assert old.unlike_fresh(project) == {
        path,
        f"{APP}/features/payments",
        f"{APP}/features/payments/service.py",
        f"{APP}/features/payments/settings.py",
    }
