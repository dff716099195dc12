"""`make run` restarts the application when its source changes, and outlives a mistake in it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

import app
from tests.support.server import PATIENCE, serving


def eventually(condition: Callable[[], bool]) -> None:
    deadline = monotonic() + PATIENCE
    while not condition():
        assert monotonic() < deadline, "waited in vain"
        sleep(0.1)


def test_saved_source_is_served_also_after_a_mistake(tmp_path: Path, migrated_url: str) -> None:
    root, source = Path(app.__file__).parents[2], tmp_path / "src"
    for name in ("src", "migrations"):
        shutil.copytree(root / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "alembic.ini", tmp_path)
    main = source / "app/main.py"
    good = main.read_text()
    reloading = {"DEV_RELOAD": "1", "ENVIRONMENT": "development", "PYTHONPATH": str(source)}
    with serving(tmp_path, migrated_url, **reloading) as server:
        server.wait_until_ready()

        def version() -> str:
            document: dict[str, dict[str, str]] = server.client.get("/openapi.json").json()
            return document["info"]["version"]

        assert version() == "0.1.0"
        main.write_text("def broken(:\n")
        eventually(lambda: "SyntaxError" in server.log())
        main.write_text(good.replace('version="0.1.0"', 'version="0.2.0"'))
        eventually(lambda: server.log().count("Application startup complete.") == 2)
        assert version() == "0.2.0"
        status, log = server.stop()
    assert status == 0
    assert "change detected" not in log


def test_several_workers_and_production_serve_without_reloading(tmp_path: Path, migrated_url: str) -> None:
    for variables in ({"HTTP_WORKERS": "2", "ENVIRONMENT": "development"}, {"ENVIRONMENT": "production"}):
        with serving(tmp_path, migrated_url, DEV_RELOAD="1", **variables) as server:
            server.wait_until_ready()
            status, log = server.stop()
        assert status == 0
        assert "reloader" not in log
