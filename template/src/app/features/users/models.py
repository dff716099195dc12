"""The table of users."""

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.db.base import Base
from app.platform.db.mixins import Audit, SoftDelete, Timestamps, UuidKey


class User(UuidKey, Timestamps, SoftDelete, Audit, Base):
    """A user with an account. A deleted user's email address stays taken."""

    __tablename__ = "users"
    __table_args__ = (Index(None, "created_at", "id"),)

    email: Mapped[str] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    full_name: Mapped[str | None] = mapped_column(String(200))
    is_active: Mapped[bool] = mapped_column(default=True)
    is_admin: Mapped[bool] = mapped_column(default=False)
