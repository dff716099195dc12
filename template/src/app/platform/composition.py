"""Find the parts of the features, so that a folder in `app/features/` is all it takes to add one."""

from importlib import import_module
from pathlib import Path
from types import ModuleType


def feature_modules(features: ModuleType, name: str) -> list[ModuleType]:
    """Import the module of this name from each feature that has one, in the alphabetical order of the features."""
    found = sorted(path.parent.name for path in Path(next(iter(features.__path__))).glob(f"*/{name}.py"))
    return [import_module(f"{features.__name__}.{feature}.{name}") for feature in found]
