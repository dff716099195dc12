"""Find the modules of the features, so that a new folder in `app/features/` needs no registration."""

from importlib import import_module
from pathlib import Path
from types import ModuleType


def feature_modules(features: ModuleType, name: str) -> list[ModuleType]:
    """Import and return the module with this name of each feature that has one, sorted by the feature's name."""
    root = Path(next(iter(features.__path__)))
    # a module, or a package of that name
    files = [*root.glob(f"*/{name}.py"), *root.glob(f"*/{name}/__init__.py")]
    found = sorted({path.relative_to(root).parts[0] for path in files})
    return [import_module(f"{features.__name__}.{feature}.{name}") for feature in found]
