"""A release's change is merged into a file that its owner moved; a change that cannot be merged is listed and kept."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import future, owner, rendering
from tests.edits import replace
from tests.life import tool
from tests.shell import run

# a file that is the same in all variants, in a folder with other files
FILE = "src/app/platform/auth/models.py"
FOLDER = "src/app/platform/auth"
DEVICES = "from app.platform.auth.devices import DEVICES\n"


def with_news(root: Path) -> None:
    """Change two files of a folder, and add one there and a test."""
    future.platform_revision(root)
    service = root / "template/src/app/platform/auth/service.py"
    service.write_text(f"{service.read_text()}\n\nOF_THE_FUTURE = 1\n")
    replace(service, "from app.platform.auth.errors", f"{DEVICES}from app.platform.auth.errors")
    (root / "template/src/app/platform/auth/devices.py").write_text('"""Devices."""\n')
    (root / "template/tests/api/test_devices.py").write_text("from app.platform.auth import service\n")


@dataclass
class Update:
    """A project that its owner edits, and the release to update it to."""

    root: Path
    release: Path

    def commit(self) -> None:
        rendering.commit(self.root)

    def run(self) -> tuple[int, str]:
        future.move_to(self.root, self.release)
        status, printed = tool(self.root, "update")
        assert "Traceback" not in printed
        return status, printed

    def text(self, path: str) -> str:
        return (self.root / path).read_text()


@pytest.fixture(scope="module")
def release(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return future.release(template, tmp_path_factory.mktemp("future") / "template", with_news)


@pytest.fixture
def update(project: Path, release: Path) -> Update:
    return Update(project, release)


def test_a_renamed_file_gets_the_change(update: Update) -> None:
    moved = update.root / "src/app/platform/auth/tables.py"
    (update.root / FILE).rename(moved)
    moved.write_text(f"{moved.read_text()}\n\nOURS = 1\n")
    status, printed = update.run()
    assert status == 0, printed
    assert f"into files that you renamed:\n  {FILE} → {FOLDER}/tables.py\n" in printed
    assert future.ADDED in update.text("src/app/platform/auth/tables.py")
    assert "OURS = 1" in update.text("src/app/platform/auth/tables.py")
    assert not (update.root / FILE).exists()
    assert not (update.root / "left-out").exists()


def test_a_renamed_package_gets_the_changes_and_what_is_new_in_it(update: Update) -> None:
    """The release adds an import next to those that the owner has rewritten, and the tool names wrong new ones."""
    run("git", "mv", FOLDER, "src/app/platform/identity", cwd=update.root)
    for file in update.root.rglob("src/**/*.py"):
        file.write_text(file.read_text().replace("app.platform.auth", "app.platform.identity"))
    status, printed = update.run()
    assert status == 0, printed
    assert future.ADDED in update.text("src/app/platform/identity/models.py")
    assert "OF_THE_FUTURE" in update.text("src/app/platform/identity/service.py")
    assert DEVICES in update.text("src/app/platform/identity/service.py")
    assert "  src/app/platform/identity/service.py imports app.platform.auth.devices\n" in printed
    assert "  tests/api/test_devices.py imports app.platform.auth.service\n" in printed
    assert "src/app/platform/auth/devices.py → src/app/platform/identity/devices.py" in printed
    assert update.text("src/app/platform/identity/devices.py") == '"""Devices."""\n'
    assert not (update.root / FOLDER).exists()


def test_a_change_beside_the_owners_own_is_a_conflict(update: Update) -> None:
    moved = update.root / "src/app/platform/auth/tables.py"
    (update.root / FILE).rename(moved)
    replace(moved, future.FIELD, f"    ours: Mapped[int]\n{future.FIELD}")
    status, printed = update.run()
    assert status == 1
    assert "CONFLICTS" in printed
    assert "  src/app/platform/auth/tables.py\n" in printed
    assert "<<<<<<< before updating" in update.text("src/app/platform/auth/tables.py")
    assert owner.unmerged(update.root) == ["src/app/platform/auth/tables.py"], "no commit may pass over it"
    run("git", "checkout", "--quiet", "--ours", "--", "src/app/platform/auth/tables.py", cwd=update.root)
    assert not run("git", "diff", "--name-only", "HEAD", "--", "src/app/platform/auth", cwd=update.root).count("tables")


def test_the_change_of_a_deleted_file_is_left_out_and_kept(update: Update) -> None:
    (update.root / FILE).unlink()
    status, printed = update.run()
    assert status == 1
    assert f"port what you need from left-out/:\n  {FILE}\n" in printed
    assert f"+{future.ADDED}" in update.text(f"left-out/{FILE}.diff")
    assert not (update.root / FILE).exists()
    rendering.commit(update.root)
    assert "left-out/ still holds changes of the template that could not be merged (1)" in tool(update.root, "check")[1]


def test_the_change_of_a_file_that_was_split_is_left_out_and_kept(update: Update) -> None:
    lines = (update.root / FILE).read_text().splitlines(keepends=True)
    (update.root / FILE).unlink()
    for name, part in {"tables": lines[: len(lines) // 2], "columns": lines[len(lines) // 2 :]}.items():
        (update.root / f"src/app/platform/auth/{name}.py").write_text("".join(part))
    status, printed = update.run()
    assert status == 1
    assert f"port what you need from left-out/:\n  {FILE}\n" in printed
    assert f"+{future.ADDED}" in update.text(f"left-out/{FILE}.diff")


def test_a_file_that_grew_after_it_was_renamed_gets_the_change(update: Update) -> None:
    """The rename is found commit by commit; less than half of the final file is from the original."""
    run("git", "mv", FOLDER, "src/app/platform/identity", cwd=update.root)
    update.commit()
    run("git", "mv", "src/app/platform/identity/models.py", "src/app/platform/identity/tables.py", cwd=update.root)
    update.commit()
    file = update.root / "src/app/platform/identity/tables.py"
    file.write_text(file.read_text() + "".join(f"OURS_{number} = {number}\n" for number in range(100)))
    status, printed = update.run()
    assert status == 0, printed
    assert future.ADDED in file.read_text()


def test_a_change_is_left_out_where_the_only_file_of_a_folder_was_split(update: Update) -> None:
    """The split file must not be mistaken for a removed feature."""
    folder = update.root / FOLDER
    lines = (folder / "models.py").read_text().splitlines(keepends=True)
    (update.root / "src/app/platform/tokens").mkdir()
    for name, part in {"tables": lines[: len(lines) // 2], "columns": lines[len(lines) // 2 :]}.items():
        (update.root / f"src/app/platform/tokens/{name}.py").write_text("".join(part))
    shutil.rmtree(folder)
    status, printed = update.run()
    assert status == 1
    assert f"port what you need from left-out/:\n  {FILE}\n" in printed


def test_a_link_to_the_new_place_is_no_place(update: Update) -> None:
    (update.root / FILE).rename(update.root / "src/app/platform/auth/tables.py")
    (update.root / FILE).symlink_to("tables.py")
    status, printed = update.run()
    assert status == 1
    assert f"port what you need from left-out/:\n  {FILE}\n" in printed
    assert f"+{future.ADDED}" in update.text(f"left-out/{FILE}.diff")


def test_windows_line_ends_are_no_conflict(update: Update) -> None:
    """A project from before `.gitattributes`, which keeps such line ends out, may have them."""
    both = update.root / "src/app/platform/auth/service.py"
    (update.root / ".gitattributes").write_text("service.py -text\n")
    both.write_bytes(both.read_bytes().replace(b"\n", b"\r\n").replace(b"Signing in,", b"Ours: signing in,"))
    run("git", "config", "core.autocrlf", "true", cwd=update.root)
    run("git", "mv", FILE, "src/app/platform/auth/tables.py", cwd=update.root)
    update.commit()
    run("sh", "-c", "git rm -rq --cached . && git reset -q --hard", cwd=update.root)
    place = update.root / "src/app/platform/auth/tables.py"
    assert b"\r\n" in place.read_bytes()
    status, printed = update.run()
    assert status == 0, printed
    assert future.ADDED.replace("\n", "\r\n").encode() in place.read_bytes()
    assert b"Ours: signing in," in both.read_bytes(), "committed with such line ends"
    assert both.read_bytes().endswith(b"\r\n\r\nOF_THE_FUTURE = 1\r\n")


def test_a_renamed_file_that_the_release_moves_is_pointed_out(update: Update, template: Path, tmp_path: Path) -> None:
    def move(root: Path) -> None:
        (root / "template" / FILE).rename(root / "template/src/app/platform/auth/entities.py")

    run("git", "mv", FILE, "src/app/platform/auth/tables.py", cwd=update.root)
    update.release = future.release(template, tmp_path / "future", move)
    status, printed = update.run()
    assert status == 1
    assert f"the template's new files:\n  {FILE} → src/app/platform/auth/tables.py\n" in printed


def test_an_answer_that_a_migration_moves_is_not_lost_under_a_new_name(
    update: Update, template: Path, tmp_path: Path
) -> None:
    def rename_question(root: Path) -> None:
        for path in [root / "copier.yml", *(root / "template").rglob("*.jinja")]:
            path.write_text(path.read_text().replace("pool_profile", "pool_size"))
        step = 'rename_question(update, "pool_profile", "pool_size")'
        future.migration(root, f"from hooks.answers import rename_question\n\n\ndef before(update):\n    {step}\n")
        config = root / "template/src/app/platform/settings.py.jinja"
        config.write_text(f"{config.read_text()}\n\nOF_THE_FUTURE = 1\n")

    status, printed = tool(update.root, "switch", "pool_profile=high")
    assert status == 0, printed
    run("git", "mv", "src/app/platform/settings.py", "src/app/platform/groups.py", cwd=update.root)
    update.commit()
    assert "= PoolProfile.HIGH" in update.text("src/app/platform/groups.py")
    future.move_to(update.root, future.release(template, tmp_path / "future", rename_question))
    status, printed = tool(update.root, "--trust", "update")
    assert status == 0, printed
    assert "OF_THE_FUTURE = 1" in update.text("src/app/platform/groups.py")
    assert "= PoolProfile.HIGH" in update.text("src/app/platform/groups.py")


def test_nothing_is_begun_when_what_is_left_out_has_no_place(update: Update) -> None:
    (update.root / "left-out").write_text("ours\n")
    status, printed = update.run()
    assert status == 1
    assert "are written to left-out/, but there is a file of that name" in printed
    assert not run("git", "status", "--porcelain", cwd=update.root)


def test_a_folder_that_is_gone_as_a_whole_is_no_news(update: Update) -> None:
    """An owner who removed a feature need not be asked about it at each update; one file never was in a commit."""
    run("git", "rm", "--quiet", FILE, cwd=update.root)
    run("git", "commit", "--quiet", "--amend", "--no-edit", cwd=update.root)
    shutil.rmtree(update.root / FOLDER)
    status, printed = update.run()
    assert status == 0, printed
    assert f"all of the template's files in their folders:\n  {FILE}\n  src/app/platform/auth/service.py\n" in printed
    assert not (update.root / "left-out").exists()


def test_renames_are_found_in_a_part_of_a_repository(born: Path, release: Path, tmp_path: Path) -> None:
    root = tmp_path / "everything" / "service"
    shutil.copytree(born, root, ignore=shutil.ignore_patterns(".git"))
    rendering.commit(root.parent)
    (root / FILE).rename(root / "src/app/platform/auth/tables.py")
    future.move_to(root, release, root.parent)
    status, printed = tool(root, "update")
    assert status == 0, printed
    assert future.ADDED in (root / "src/app/platform/auth/tables.py").read_text()
