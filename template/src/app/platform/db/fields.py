"""What the fields of read models and the columns of models are called."""

from collections.abc import Iterable, Mapping
from typing import Any, get_args, get_origin

from pydantic import AliasChoices, AliasPath, BaseModel
from pydantic.fields import FieldInfo
from sqlalchemy import Column
from sqlalchemy.orm import Mapper


def inherits(mapper: Mapper[Any]) -> bool:
    """Return whether a model inherits from another one, or may have others that inherit from it."""
    return mapper.inherits is not None or mapper.polymorphic_on is not None


def column_names(mapper: Mapper[Any]) -> Mapping[str, str]:
    """Return the attributes of a model that are columns, with the names of these; expressions are left out."""
    columns = {each.key: each.columns[0] for each in mapper.column_attrs}
    return {name: str(column.key) for name, column in columns.items() if isinstance(column, Column)}


def column_of(model: type[Any], name: str) -> Any:
    """Return a column for statements over columns.

    That of the table, because a statement over attributes of the ORM costs twice as much. A model that inherits needs
    the ORM, which adds the condition for its kind of rows.
    """
    mapper: Mapper[Any] = model.__mapper__
    if inherits(mapper):
        return getattr(model, name)
    return mapper.column_attrs[name].columns[0]


def attribute_of(name: str, info: FieldInfo) -> str:
    """Return the name that a field is read by, from attributes and from dictionaries alike.

    Raises:
        TypeError: it is read by more than one name.
    """
    alias = info.validation_alias or info.alias or name
    if isinstance(alias, AliasPath | AliasChoices):
        message = f"{name}: a read model over columns needs plain names, not {type(alias).__name__}"
        raise TypeError(message)
    return alias


def nested_in(read_model: type[BaseModel], name: str, info: FieldInfo) -> type[BaseModel]:
    """Return the read model in a field's type, which may be a list or optional.

    Raises:
        TypeError: there is none, or there are several.
    """
    found = list(_models_in(info.annotation))
    if len(found) != 1:
        message = f"{read_model.__name__}.{name} is a relationship: its type must have one read model"
        raise TypeError(message)
    return found[0]


def _models_in(annotation: Any) -> Iterable[type[BaseModel]]:
    if get_origin(annotation) is None:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield annotation
        return
    for part in get_args(annotation):
        yield from _models_in(part)
