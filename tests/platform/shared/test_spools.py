"""Spools: bodies in memory or in a file without a name, within bounds."""

import asyncio
import errno
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from app.platform.errors import Busy
from app.platform.spools import NoSpace, Spool, Spools, TooManyUploads

PIECE = bytes(range(256)) * 256


async def content(spool: Spool) -> bytes:
    return b"".join([chunk async for chunk in spool.chunks()])


@pytest.mark.parametrize("pieces", [0, 1, 3, 4, 50])
async def test_bytes_come_back_as_often_as_asked(pieces: int) -> None:
    with Spools(1, 1).open(uuid4()) as spool:
        for _ in range(pieces):
            await spool.write(PIECE)
        assert await content(spool) == PIECE * pieces
        assert await content(spool) == PIECE * pieces
        assert spool.digest == hashlib.sha256(PIECE * pieces).hexdigest()


def names(directory: Path) -> list[str]:
    """Return the names of the files in a directory."""
    return [each.name for each in directory.iterdir()]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the temporary files that the test makes, in a directory of its own."""
    made: list[Any] = []
    make = tempfile.TemporaryFile

    def record(**options: Any) -> Any:
        made.append(make(**options))
        return made[-1]

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(tempfile, "TemporaryFile", record)
    return made


async def test_only_long_bodies_need_a_file_which_has_no_name(files: list[Any], tmp_path: Path) -> None:
    with Spools(1, 1).open(uuid4()) as spool:
        await spool.write(PIECE)
        assert files == []
        for _ in range(8):
            await spool.write(PIECE)
        assert os.fstat(files[0].fileno()).st_size >= 4 * len(PIECE)
        assert names(tmp_path) == []
    assert files[0].closed


async def test_cancelled_write_leaves_nothing_open(files: list[Any]) -> None:
    spools = Spools(1, 1)

    async def receive() -> None:
        with spools.open(uuid4()) as spool:
            while True:
                await spool.write(PIECE)
                if files:
                    writing.set()

    writing = asyncio.Event()
    receiving = asyncio.create_task(receive())
    await writing.wait()
    receiving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await receiving
    assert files[0].closed
    assert spools.open_now == 0


def test_number_of_spools_is_bounded() -> None:
    spools = Spools(limit=3, per_user=2)
    ada, bob = uuid4(), uuid4()
    with spools.open(ada), spools.open(ada):
        with pytest.raises(TooManyUploads), spools.open(ada):
            pass
        with spools.open(bob), pytest.raises(Busy), spools.open(bob):
            pass
        assert spools.open_now == 2
    with spools.open(ada):
        assert spools.open_now == 1


async def test_full_disk_is_a_503_with_its_reason_in_the_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    spools = Spools(1, 1)
    with pytest.raises(NoSpace) as refused, spools.open(uuid4()) as spool:
        for _ in range(8):
            await spool.write(PIECE)
    assert (refused.value.status, spools.open_now) == (503, 0)
    assert "No space left on device" in capsys.readouterr().out
