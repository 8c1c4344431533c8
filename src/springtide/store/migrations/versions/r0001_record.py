"""The record's first tables: entries, commit log, head."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "entries",
        sa.Column("sequence", sa.Integer, primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("id", sa.String(512), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.UniqueConstraint("kind", "id", name="entries_kind_id"),
    )
    op.create_index("entries_kind_sequence", "entries", ["kind", "sequence"])
    op.create_table(
        "commits",
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("changes", sa.Text, nullable=False),
    )
    head = op.create_table(
        "record_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("set_versions", sa.Text, nullable=False),
    )
    op.bulk_insert(head, [{"id": 1, "fence": 0, "version": 0, "set_versions": "{}"}])


def downgrade() -> None:
    op.drop_table("record_head")
    op.drop_table("commits")
    op.drop_index("entries_kind_sequence", "entries")
    op.drop_table("entries")
