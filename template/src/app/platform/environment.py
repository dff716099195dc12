"""Reads a group of settings from the environment, and explains what is wrong with it."""

import re
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AliasChoices, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

GroupT = TypeVar("GroupT", bound=BaseSettings)
Seconds = Annotated[float, Field(gt=0, le=86_400)]


def split_list(value: object) -> object:
    """Split text at its commas. To read a list, annotate a field with `NoDecode` and `BeforeValidator(split_list)`."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def from_environment(prefix: str) -> SettingsConfigDict:
    """Return the configuration of a group of variables with this prefix."""
    return SettingsConfigDict(env_prefix=prefix, env_file=".env", extra="ignore", frozen=True, populate_by_name=True)


def read(kind: type[GroupT]) -> tuple[GroupT | None, list[str]]:
    """Return the group and no problems, or `None` and one line about each variable that is missing or malformed."""
    try:
        return kind(), []
    except ValidationError as error:
        return None, [_explain(kind, item["loc"], item["msg"]) for item in error.errors()]
    except SettingsError as error:
        # a list or a mapping that is no JSON; the message names the field, but not the variable
        field = re.search(r'field "(\w+)"', str(error))
        return None, [_explain(kind, (field[1],), "Input should be JSON") if field else f"{kind.__name__}: {error}"]
    except UnicodeDecodeError:
        return None, [f"{_file(kind)}: expected text in UTF-8"]
    except OSError as error:
        return None, [f"{_file(kind)}: {error.strerror}"]


def _file(kind: type[BaseSettings]) -> str:
    return str(Path(str(kind.model_config["env_file"])).absolute())


def _explain(kind: type[BaseSettings], location: tuple[int | str, ...], message: str) -> str:
    """Return one line about one variable, or about a whole group, without values, which may be secrets."""
    if not location:
        return f"{kind.__name__}: {message}"
    name = str(location[0])
    info = next((info for field, info in kind.model_fields.items() if name in {field, *_aliases(info)}), None)
    has_prefix = name in kind.model_fields
    variable = f"{kind.model_config['env_prefix'] if has_prefix else ''}{name}".upper()
    hint = f" ({info.description})" if info and info.description else ""
    return f"{variable}: {message}{hint}"


def _aliases(info: FieldInfo) -> list[object]:
    """Return the variables that a field with an alias is read from, which have no prefix."""
    alias = info.validation_alias or info.alias
    return list(alias.choices) if isinstance(alias, AliasChoices) else [alias]
