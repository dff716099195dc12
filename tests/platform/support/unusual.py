"""Models with unusual columns and relationships, and their read models."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import ConfigDict
from sqlalchemy import (
    ARRAY,
    Dialect,
    Double,
    Float,
    ForeignKey,
    Integer,
    Interval,
    Numeric,
    String,
    TypeDecorator,
    and_,
)
from sqlalchemy.dialects.postgresql import ENUM, INT4RANGE, Range
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column, relationship

from app.platform.db.base import Base as AppBase
from app.platform.db.mixins import UuidKey
from tests.platform.support.library import ReadModel


class Base(DeclarativeBase):
    type_annotation_map = AppBase.type_annotation_map


class Money(TypeDecorator[Decimal]):
    """Cents in the service, a fraction in the database."""

    impl = Numeric(10, 2)
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Decimal | None:  # noqa: ARG002
        return None if value is None else value / 100

    def process_result_value(self, value: Decimal | None, dialect: Dialect) -> Decimal | None:  # noqa: ARG002
        return None if value is None else value * 100


class Thing(UuidKey, Base):
    __tablename__ = "things"

    price: Mapped[Decimal] = mapped_column(Money)
    rates: Mapped[list[Decimal]] = mapped_column(ARRAY(Numeric(4, 2)))
    weights: Mapped[list[float]] = mapped_column(ARRAY(Float))
    exact: Mapped[Decimal] = mapped_column(Double(asdecimal=True))
    label: Mapped[str] = mapped_column("the label (of it): 100%", String(40))
    count: Mapped[int] = mapped_column("its.count[1]", Integer, default=7)
    kind: Mapped[str] = mapped_column(ENUM("new", "old", name="thing_kind"))
    lasts: Mapped[timedelta] = mapped_column(Interval)
    sizes: Mapped[Range[int]] = mapped_column(INT4RANGE)


class ThingRead(ReadModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    id: UUID
    price: Decimal
    rates: list[Decimal]
    weights: list[float]
    exact: Decimal
    label: str
    count: int
    kind: str
    lasts: timedelta
    sizes: Range[int]


THING: dict[str, Any] = {
    "price": Decimal(250),
    "rates": [Decimal("1.5"), Decimal(2)],
    "weights": [0.5, 2.0],
    "exact": Decimal("0.25"),
    "label": "x",
    "kind": "new",
    "lasts": timedelta(days=40, microseconds=3),
    "sizes": Range(1, 5),
}


class Node(UuidKey, Base):
    __tablename__ = "nodes"

    name: Mapped[str] = mapped_column(String(40))
    hidden: Mapped[bool] = mapped_column(server_default="false")
    above: Mapped[UUID | None] = mapped_column(ForeignKey("nodes.id"))
    below: Mapped[list["Node"]] = relationship(lazy="raise")


Node.is_early = column_property(Node.__table__.c.name.in_(["a", "b"]))


Node.shown = relationship(
    Node,
    lazy="raise",
    viewonly=True,
    primaryjoin=and_(Node.id == Node.__table__.c.above, Node.__table__.c.hidden.is_(False)),
    remote_side=Node.__table__.c.above,
)


class NodeName(ReadModel):
    name: str


class NodeRead(NodeName):
    below: list[NodeName]


class NodeShown(NodeName):
    shown: list[NodeName]


class NodeEarly(NodeName):
    is_early: bool


class Employee(UuidKey, Base):
    __tablename__ = "employees"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "employee"}  # noqa: RUF012

    kind: Mapped[str]
    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("teams.id"))
    name: Mapped[str]


class Manager(Employee):
    __mapper_args__ = {"polymorphic_identity": "manager"}  # noqa: RUF012


class Team(UuidKey, Base):
    __tablename__ = "teams"

    name: Mapped[str]
    managers: Mapped[list[Manager]] = relationship(lazy="raise")


class EmployeeRead(ReadModel):
    name: str
    kind: str


class TeamRead(ReadModel):
    name: str
    managers: list[EmployeeRead]


class Cart(UuidKey, Base):
    __tablename__ = "carts"

    note: Mapped[str] = mapped_column(server_default="empty")
    items: Mapped[int] = mapped_column(default=3)


class CartRead(ReadModel):
    note: str
    items: int
