"""A further database, as docs/databases.md says: the code of that page runs here."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import func, select, text
from structlog.testing import capture_logs

from app.config import Settings
from app.main import create_app
from app.platform import metrics
from app.platform.db.base import Base
from app.platform.db.bulk import insert_rows
from app.platform.db.session import Database
from app.platform.errors import StartupError
from app.platform.http.lifespan import State
from app.platform.reference import variables
from app.platform.resources import PlatformResources
from app.platform.settings import ConfigError, DatabaseSettings, load
from app.resources import Resources
from app.services import Services
from tests.support.client import client_of
from tests.support.databases import execute

PAGE = (Path(__file__).parents[3] / "docs/databases.md").read_text().partition("## Further databases")[2]
CLASS, FIELD, CALL, USE, MODELS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
NOBODY = "postgresql://reader:hunter2@127.0.0.1:1/reporting"

_written: dict[str, Any] = {}
exec(CLASS, _written)  # noqa: S102 (the page's own code)
ReportingSettings: type[DatabaseSettings] = _written["ReportingSettings"]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, empty_url: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", NOBODY)
    monkeypatch.setenv("DB_POOL_SIZE", "19")
    monkeypatch.setenv("REPORTING_DATABASE_URL", empty_url)
    monkeypatch.setenv("REPORTING_DB_POOL_SIZE", "3")
    monkeypatch.setenv("REPORTING_DB_POOL_PROFILE", "small")


def with_reporting(settings: Settings) -> Any:
    """Return the settings of a service with the field of the page."""
    assert FIELD.strip() == "reporting: ReportingSettings = settings.group(ReportingSettings)"
    groups = {name: getattr(settings, name) for name in settings.__dataclass_fields__}
    return SimpleNamespace(**groups, reporting=load(ReportingSettings))


def resources_with(line: str) -> type[PlatformResources[Any]]:
    """Return resources that open what this line says."""
    written: dict[str, Any] = {"Resources": Resources}
    lines = ["class Own(Resources):", "    async def open_own(self):", f"        {line.strip()}"]
    exec("\n".join(lines), written)  # noqa: S102 (the page's own code)
    own: type[PlatformResources[Any]] = written["Own"]
    return own


@pytest.fixture
async def resources(settings: Settings, database: Database) -> AsyncIterator[Any]:
    """Yield the resources of a service that has followed the page."""
    async with resources_with(CALL)(with_reporting(settings), database) as resources:
        yield resources


async def test_the_page_can_be_followed(resources: Any, empty_url: str) -> None:
    await execute(empty_url, "CREATE TABLE sales (cents bigint)", "INSERT INTO sales VALUES (100), (250)")
    written: dict[str, Any] = {"text": text}
    exec(USE, written)  # noqa: S102 (the page's own code)
    assert await written["Reports"](resources.reporting).total() == 350


async def test_models_of_the_page_belong_to_no_migration(resources: Any) -> None:
    written: dict[str, Any] = {"__name__": __name__}
    exec(MODELS, written)  # noqa: S102 (the page's own code)
    sale = written["Sale"]
    assert issubclass(sale, Base)
    assert "sales" not in Base.metadata.tables
    async with resources.reporting.transaction() as session:
        await (await session.connection()).run_sync(sale.metadata.create_all)
        await insert_rows(session, sale, [{"cents": 100}, {"cents": 250}])
        assert await session.scalar(select(func.sum(sale.cents))) == 350


async def test_each_has_a_pool_of_its_own_and_is_counted(resources: Any) -> None:
    shown = metrics.render().decode()
    size = re.search(r"^db_pool_size (\d+)", shown, re.MULTILINE)
    async with resources.reporting.transaction() as session:
        assert await session.scalar(text("SHOW statement_timeout")) == "30s"
        checked_out = re.search(r"^db_pool_checked_out (\d+)", metrics.render().decode(), re.MULTILINE)
    assert size
    assert checked_out
    assert int(size[1]) >= 3
    assert int(checked_out[1]) >= 1


async def test_readiness_shows_it(resources: Any, settings: Settings) -> None:
    state = State(resources=resources, services=Services(resources))
    async with client_of(create_app(settings), state) as client:
        checks = (await client.get("/readyz")).json()["checks"]
    assert checks["postgresql_reporting"] == {"status": "ok", "critical": True}


async def test_it_is_closed_at_the_end(settings: Settings, database: Database) -> None:
    async with resources_with(CALL)(with_reporting(settings), database) as resources:
        reporting: Database = resources.reporting  # type: ignore[attr-defined]
        await reporting.ping()
    with pytest.raises(RuntimeError, match="not initialised"):
        _ = reporting.engine


def test_variables_have_the_prefix() -> None:
    settings = load(ReportingSettings)
    assert (settings.pool_size, settings.max_overflow) == (3, None)
    names = {f"REPORTING_{_plain(name)}" for name in DatabaseSettings.model_fields}
    listed = {name for name, *_ in variables(_settings_with_reporting()) if name.startswith("REPORTING_")}
    assert listed == names


def _plain(field: str) -> str:
    aliases = {"url": "DATABASE_URL", "replica_url": "DATABASE_REPLICA_URL"}
    return aliases.get(field, f"DB_{field.upper()}")


def _settings_with_reporting() -> Any:
    from dataclasses import make_dataclass  # noqa: PLC0415

    return make_dataclass("Own", [("reporting", ReportingSettings)], bases=(Settings,), frozen=True, kw_only=True)


def test_parts_of_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REPORTING_DATABASE_URL")
    with pytest.raises(ConfigError, match=r"^REPORTING_DATABASE_URL: Field required"):
        load(ReportingSettings)
    monkeypatch.setenv("REPORTING_DB_HOST", "db")
    monkeypatch.setenv("REPORTING_DB_NAME", "reports")
    assert load(ReportingSettings).url.get_secret_value() == "postgresql://?host=db&dbname=reports"


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("REPORTING_DATABASE_URL", "mysql://u:hunter2@db/x", r"^REPORTING_DATABASE_URL: "),
        ("REPORTING_DATABASE_REPLICA_URL", "mysql://u:hunter2@db/x", r"^REPORTING_DATABASE_REPLICA_URL: "),
        ("REPORTING_DB_CONNECT_TIMEOUT", "7", r"^REPORTING_DATABASE_URL: .* REPORTING_DB_CONNECT_TIMEOUT"),
    ],
)
async def test_errors_name_its_variables(
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    database: Database,
    variable: str,
    value: str,
    expected: str,
) -> None:
    monkeypatch.setenv("REPORTING_DATABASE_URL", f"{NOBODY}?connect_timeout=6")
    monkeypatch.setenv(variable, value)
    if variable == "REPORTING_DATABASE_REPLICA_URL":
        monkeypatch.setenv("REPORTING_DATABASE_URL", NOBODY)
    with pytest.raises(ConfigError, match=expected) as error:
        async with resources_with(CALL)(with_reporting(settings), database):
            pass
    assert "hunter2" not in str(error.value)


async def test_one_that_is_away(monkeypatch: pytest.MonkeyPatch, settings: Settings, database: Database) -> None:
    monkeypatch.setenv("REPORTING_DATABASE_URL", NOBODY)
    with pytest.raises(StartupError, match=r"^reporting: cannot connect to PostgreSQL at"):
        async with resources_with(CALL)(with_reporting(settings), database):
            pass
    optional = CALL.strip().removesuffix(")") + ", critical=False)"
    with capture_logs() as logs:
        async with resources_with(optional)(with_reporting(settings), database) as resources:
            (check,) = [each for each in resources.checks if each.name == "postgresql_reporting"]
            assert not check.critical
    assert "named_database_not_ready" in [each["event"] for each in logs]


async def test_settings_that_would_open_the_main_database_again_are_refused(
    settings: Settings, database: Database
) -> None:
    own = with_reporting(settings)
    own.reporting = replace(settings).database
    with pytest.raises(TypeError, match="DATABASE_URL"):
        async with resources_with(CALL)(own, database):
            pass
