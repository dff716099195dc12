"""The table of letters."""

from uuid import UUID

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.db.base import Base
from app.platform.db.mixins import Timestamps, UuidKey


class Letter(UuidKey, Timestamps, Base):
    """A greeting on paper."""

    __tablename__ = "letters"

    reader_id: Mapped[UUID]
    text: Mapped[str] = mapped_column(String(500))
