"""Where no PgBouncer is installed and Debian's cannot be fetched, one sentence says what to do."""

from pathlib import Path

import pytest

from dev.errors import ServiceError
from tests.platform.support import find_pgbouncer


def test_what_to_install_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServiceError) as refused:
        find_pgbouncer.find(places=str(tmp_path), cache=tmp_path / "cache" / "pgbouncer")
    message = str(refused.value)
    assert message.startswith(find_pgbouncer.INSTALL)
    assert "apt-" in message
    assert "\n" not in message
    assert list((tmp_path / "cache").iterdir()) == []


def test_what_was_fetched_is_kept(tmp_path: Path) -> None:
    (tmp_path / "usr/lib/x86_64-linux-gnu").mkdir(parents=True)
    assert find_pgbouncer.find(places=str(tmp_path), cache=tmp_path) == [
        "/usr/bin/env",
        f"LD_LIBRARY_PATH={tmp_path}/usr/lib/x86_64-linux-gnu",
        f"{tmp_path}/usr/sbin/pgbouncer",
    ]
