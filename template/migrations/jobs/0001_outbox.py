"""The outbox of jobs, dead jobs, and schedules.

Revision ID: jobs_0001
Revises:
"""

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError
from sqlalchemy.dialects import postgresql

revision = "jobs_0001"
down_revision = None
branch_labels = ("jobs",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dead_jobs",
        sa.Column("died_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        *job_columns(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_jobs")),
    )
    op.create_index(op.f("ix_dead_jobs_died_at"), "dead_jobs", ["died_at"], unique=False)
    op.create_table(
        "job_schedules",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("slot", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_job_schedules")),
    )
    op.create_table(
        "outbox_messages",
        sa.Column("state", sa.String(length=16), server_default="waiting", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("worker", sa.String(length=32), nullable=True),
        *job_columns(),
        sa.CheckConstraint("state IN ('waiting', 'handed_over', 'running')", name=op.f("ck_outbox_messages_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_messages")),
    )
    op.create_index(op.f("ix_outbox_messages_due_at"), "outbox_messages", ["due_at"], unique=False)
    # notify by a trigger, so that adding a job takes one statement and not two
    op.execute(
        "CREATE FUNCTION notify_of_outbox_messages() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_notify('outbox_messages', ''); RETURN NULL; END $$"
    )
    op.execute(
        "CREATE TRIGGER notify AFTER INSERT ON outbox_messages "
        "FOR EACH STATEMENT EXECUTE FUNCTION notify_of_outbox_messages()"
    )


def job_columns() -> list[sa.Column[object]]:
    return [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("job", sa.String(length=100), nullable=False),
        sa.Column("arguments", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("request_id", sa.String(length=200), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    ]


def refuse_while(count: str, problem: str) -> None:
    if found := op.get_bind().scalar(sa.text(count)):
        message = f"{found} {problem} before their tables are removed"
        raise CommandError(message)


def downgrade() -> None:
    # a job that is added between the checks and the DROP would be lost
    op.execute("LOCK TABLE outbox_messages, dead_jobs IN ACCESS EXCLUSIVE MODE")
    refuse_while("SELECT count(*) FROM outbox_messages", "jobs are not done: let a worker finish them")
    refuse_while("SELECT count(*) FROM dead_jobs", "jobs gave up: `python -m app jobs replay` or `purge` them")
    op.drop_table("outbox_messages")
    op.execute("DROP FUNCTION notify_of_outbox_messages()")
    op.drop_table("job_schedules")
    op.drop_table("dead_jobs")
