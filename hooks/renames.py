"""The table of renamed modules and names, and how to look up a dotted path in it."""

import re
from collections.abc import Mapping

_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+(:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*)?|[A-Za-z_]\w*:[A-Za-z_]\w*")


class Renames:
    """Old and new dotted paths: `app.db` for a module and all below it, `app.db.session:Database` for one name."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = {key.replace(":", "."): value.replace(":", ".") for key, value in names.items()}
        roots = "|".join(sorted({re.escape(key.partition(".")[0]) for key in self._names}))
        self._mention = re.compile(rf"\b(?:{roots})\b")

    def mentioned(self, text: str) -> bool:
        """Tell whether a text has the name of a package from the table."""
        return bool(self._names) and self._mention.search(text) is not None

    def dotted(self, path: str) -> str:
        """Return the new path of a module, of a name in it, or of an attribute of that; the longest key wins."""
        head, tail = path, ""
        while head:
            if head in self._names:
                return self._names[head] + tail
            head, _, last = head.rpartition(".")
            tail = f".{last}{tail}"
        return path

    def imported(self, module: str, name: str) -> tuple[str, str]:
        """Return the module and the name that take the place of `from module import name`."""
        if name == "*":
            return self.dotted(module), name
        module, _, name = self.dotted(f"{module}.{name}").rpartition(".")
        return module, name

    def string(self, value: str) -> str:
        """Return what takes the place of a string that is wholly a dotted path, such as `app.main:create_app`."""
        if not _PATH.fullmatch(value):
            return value
        module, colon, attribute = value.partition(":")
        if not colon:
            return self.dotted(value)
        parts = self.dotted(f"{module}.{attribute}").split(".")
        place = len(parts) - len(attribute.split("."))
        return f"{'.'.join(parts[:place])}:{'.'.join(parts[place:])}"
