"""The declarative base of all models."""

from types import MappingProxyType

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

# Every constraint has a name that migrations can drop it by and errors can be recognised by.
NAMING_CONVENTION = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}


class Base(DeclarativeBase):
    """Base of all models. Values the server computes come back with the INSERT or UPDATE, never by lazy loading."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    __mapper_args__ = MappingProxyType({"eager_defaults": True})
