"""Alembic migrations of the record, run when a store opens.

To add one: change ``schema.py``, add ``versions/r000N_what.py``, set ``schema.HEAD`` to its revision.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def configuration() -> Config:
    """Alembic's settings for this folder; there is no ini file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


def run_to_head(connection: Connection) -> None:
    """Run every migration that is missing, within the connection's transaction."""
    config = configuration()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
