"""Edits of files by their text."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Edit:
    """Some text of a file becomes another one."""

    path: str
    before: str
    after: str

    def apply(self, project: Path) -> None:
        """Make the change.

        Raises:
            LookupError: the file does not have this text exactly once, so it is no edit of that release.
        """
        replace(project / self.path, self.before, self.after)


def replace(file: Path, before: str, after: str) -> None:
    """Change what stands in a file exactly once.

    Raises:
        LookupError: it does not.
    """
    text = file.read_text()
    if text.count(before) != 1:
        raise LookupError(f"{file} should have once:\n{before}")
    file.write_text(text.replace(before, after))
