"""Alembic's entry: runs the migrations on the connection that the store hands over."""

from __future__ import annotations

from alembic import context

from springtide.store.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    # SQLite rolls back table changes too: a start that is killed in a migration leaves the old tables.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
