"""A phone number.

Revision ID: owner_0003
Revises: service_0002
"""

import sqlalchemy as sa
from alembic import op

revision = "owner_0003"
down_revision = "service_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("phone", sa.String(length=32), nullable=True))


def downgrade() -> None:
    op.drop_column("users", "phone")
