"""The tables of the record in SQL. They change by a migration only; ``HEAD`` names the last one."""

from __future__ import annotations

from sqlalchemy import Column, Connection, Index, Integer, MetaData, String, Table, Text, UniqueConstraint, inspect

HEAD = "0001"
"""The newest migration's revision, written down here so that a record at head opens without Alembic."""

METADATA = MetaData()

ENTRIES = Table(
    "entries",
    METADATA,
    # Rises with every write: a set is listed in order of writing.
    Column("sequence", Integer, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("id", String(512), nullable=False),
    Column("version", Integer, nullable=False),
    Column("value", Text, nullable=False),
    UniqueConstraint("kind", "id", name="entries_kind_id"),
    Index("entries_kind_sequence", "kind", "sequence"),
)

COMMITS = Table(
    "commits",
    METADATA,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("changes", Text, nullable=False),
)

RECORD_HEAD = Table(
    "record_head",
    METADATA,
    # One row: the newest fence, the record's version, and each set's version as a JSON object.
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("fence", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("set_versions", Text, nullable=False),
)


def revision_of(connection: Connection) -> str | None:
    """The revision of the tables that are there, ``None`` in an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def upgrade(connection: Connection) -> None:
    """Bring the tables to ``HEAD`` within the connection's transaction.

    Raises alembic.util.CommandError where the tables have a revision that this version doesn't know.
    """
    # Imported here: a record at head never needs it, and it costs a start 0.15 s.
    from springtide.store.migrations import run_to_head  # noqa: PLC0415

    run_to_head(connection)
