"""The declarative base class of all models."""

from types import MappingProxyType

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

# Gives every constraint a predictable name, which migrations drop it by and `errors.violates` compares.
NAMING_CONVENTION = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}


class Base(DeclarativeBase):
    """The base class of all models. INSERT and UPDATE return the values that the server computes: no lazy loading."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    __mapper_args__ = MappingProxyType({"eager_defaults": True})
