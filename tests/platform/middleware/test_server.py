"""What the server makes of its settings. It is not run."""

import signal

import pytest

from app.platform.http import server
from app.platform.http.draining import Config
from app.platform.settings import ConfigError, HttpSettings, load


@pytest.fixture
def configs(monkeypatch: pytest.MonkeyPatch) -> list[Config]:
    """Return the configurations that servers were made with."""
    found: list[Config] = []

    class FakeServer:
        started = True

        def __init__(self, config: Config) -> None:
            found.append(config)

        def run(self) -> None: ...

    monkeypatch.setattr(server, "Server", FakeServer)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    return found


def test_settings_reach_uvicorn(monkeypatch: pytest.MonkeyPatch, configs: list[Config]) -> None:
    given = {
        "ROOT_PATH": "/shop",
        "KEEP_ALIVE": "61.5",
        "BACKLOG": "7",
        "DRAIN_SECONDS": "2.5",
        "SHUTDOWN_TIMEOUT": "9",
    }
    for name, value in given.items():
        monkeypatch.setenv(f"HTTP_{name}", value)
    server.serve("app.main:create_app", load(HttpSettings), None)
    (config,) = configs
    assert (config.root_path, config.timeout_keep_alive, config.backlog) == ("/shop", 61.5, 7)
    assert (config.drain, config.timeout_graceful_shutdown) == (2.5, 9)


def test_defaults_suit_a_balancer(monkeypatch: pytest.MonkeyPatch, configs: list[Config]) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    server.serve("app.main:create_app", HttpSettings(), None)
    (config,) = configs
    # balancers keep idle connections for 60 seconds
    assert (config.root_path, config.timeout_keep_alive, config.drain) == ("", 75, 5)
    # its answers would be neither problem documents nor logged
    assert config.limit_concurrency is None


def test_development_stops_at_once_unless_it_is_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, configs: list[Config]
) -> None:
    monkeypatch.setenv("ENVIRONMENT", "development")
    for given in (None, 3.0):
        server.serve("app.main:create_app", HttpSettings(drain_seconds=given), None)
    assert [config.drain for config in configs] == [0, 3]


@pytest.mark.parametrize("path", ["shop", "/", "/shop/", "//shop", "/shop?x"])
def test_malformed_prefix_is_refused(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("HTTP_ROOT_PATH", path)
    with pytest.raises(ConfigError, match=r"^HTTP_ROOT_PATH: .*\(the prefix that a proxy takes away"):
        load(HttpSettings)
