"""The variables that the service reads, as a table in Markdown: `python -m app settings`."""

from collections.abc import Iterator
from dataclasses import fields
from enum import Enum
from typing import get_type_hints

from pydantic import AliasChoices
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from app.platform.settings import PlatformSettings


def settings_table(kind: type[PlatformSettings]) -> str:
    """Return a table of all variables of these settings: name, default, description."""
    rows = [f"| `{name}` | {default} | {text} |" for name, default, text in variables(kind)]
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows])


def variables(kind: type[PlatformSettings]) -> Iterator[tuple[str, str, str]]:
    """Yield name, default and description of each variable of these settings."""
    hints = get_type_hints(kind)
    for each in fields(kind):
        group: type[BaseSettings] = hints[each.name]
        for field, info in group.model_fields.items():
            yield _variable(group, field, info), _default(info), info.description or ""


def _variable(group: type[BaseSettings], field: str, info: FieldInfo) -> str:
    alias = info.validation_alias
    if isinstance(alias, AliasChoices):
        alias = str(alias.choices[0])
    return (str(alias) if alias else f"{group.model_config['env_prefix']}{field}").upper()


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True)
    match value:
        case None | ():
            return "not set"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.15g}"
        case Enum():
            return str(value.value)
        case _:
            return str(value)
