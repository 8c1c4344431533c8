"""``python -m springtide`` is the command ``springtide``."""

from springtide.cli.main import run

run()
