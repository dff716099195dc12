"""The table of refresh tokens. It belongs to the template: its migrations are on the branch `platform`."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, String
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.db.base import Base
from app.platform.db.mixins import Timestamps, UuidKey


class RefreshToken(UuidKey, Timestamps, Base):
    """A refresh token. All tokens that descend from one sign-in share a `family_id`.

    There is no foreign key to users, so that the migration branches do not depend on each other.
    """

    __tablename__ = "refresh_tokens"

    user_id: Mapped[UUID] = mapped_column(index=True)
    family_id: Mapped[UUID] = mapped_column(index=True)
    token_digest: Mapped[str] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
    used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
