"""The template's part of the service. README.md in this folder says how to extend it without editing it."""

import sys
from importlib import import_module
from typing import Any, cast

# structlog, and Mako for Alembic, import these if a development tool has installed them, for output that a service does
# not have: a fifth of the start of a process, and 10 MiB of its memory
_modules = cast("dict[str, Any]", sys.modules)
_unused = {"pygments", "rich"} - _modules.keys()
_modules.update(dict.fromkeys(_unused))
try:
    import_module("mako.exceptions")
    import_module("structlog")
finally:
    for _name in _unused:
        del _modules[_name]
