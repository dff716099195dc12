"""The baseline: the service as tutorials write it, with FastAPI, SQLAlchemy 2 async and a `yield` dependency.

It has no middleware, no authentication and no log. It uses the services' tables and runs in their environment, so
`DATABASE_URL` names the driver.
"""

import os
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict
from sqlalchemy import BigInteger, DateTime, ForeignKey, func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload

# SQLAlchemy's defaults, unless the measurement is about the pool
engine = create_async_engine(
    os.environ["DATABASE_URL"],
    pool_size=int(os.environ.get("DB_POOL_SIZE", "5")),
    max_overflow=int(os.environ.get("DB_MAX_OVERFLOW", "10")),
)
sessions = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI()


class Base(DeclarativeBase):
    """Base of the models."""


class User(Base):
    """A user."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    email: Mapped[str]
    password_hash: Mapped[str]
    full_name: Mapped[str | None]
    is_active: Mapped[bool]
    is_admin: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class Order(Base):
    """An order."""

    __tablename__ = "orders"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    status: Mapped[str] = mapped_column(default="pending")
    total_cents: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    lines: Mapped[list["OrderLine"]] = relationship(order_by="OrderLine.position")


class OrderLine(Base):
    """A line of an order."""

    __tablename__ = "order_lines"

    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str]
    quantity: Mapped[int]
    unit_price_cents: Mapped[int]


class UserRead(BaseModel):
    """A user in a response."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str
    full_name: str | None
    is_active: bool
    is_admin: bool
    created_at: datetime


class Line(BaseModel):
    """A line of an order, in a request and in a response."""

    model_config = ConfigDict(from_attributes=True)

    sku: str
    quantity: int
    unit_price_cents: int


class OrderCreate(BaseModel):
    """An order in a request."""

    user_id: UUID
    lines: list[Line]


class OrderRead(BaseModel):
    """An order in a response."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    status: str
    total_cents: int
    created_at: datetime
    updated_at: datetime
    lines: list[Line]


async def get_session() -> AsyncIterator[AsyncSession]:
    """Yield the session of a request, and commit it after the response."""
    async with sessions() as session:
        try:
            yield session
            await session.commit()
        except Exception:
            await session.rollback()
            raise


Session = Annotated[AsyncSession, Depends(get_session)]


@app.get("/users/{user_id}", response_model=UserRead)
async def get_user(user_id: UUID, session: Session) -> User:
    """Show a user."""
    user = await session.get(User, user_id)
    if user is None:
        raise HTTPException(404)
    return user


@app.get("/orders", response_model=list[OrderRead])
async def list_orders(user_id: UUID, session: Session, limit: int = 50) -> list[Order]:
    """Show the orders of a user, newest first."""
    query = select(Order).where(Order.user_id == user_id).order_by(Order.created_at.desc()).limit(limit)
    return list(await session.scalars(query.options(selectinload(Order.lines))))


@app.post("/orders", response_model=OrderRead, status_code=201)
async def create_order(body: OrderCreate, session: Session) -> Order:
    """Place an order."""
    order = Order(
        user_id=body.user_id,
        total_cents=sum(line.quantity * line.unit_price_cents for line in body.lines),
        lines=[OrderLine(position=number, **line.model_dump()) for number, line in enumerate(body.lines, start=1)],
    )
    session.add(order)
    await session.flush()
    return order
