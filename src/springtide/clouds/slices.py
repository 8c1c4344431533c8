"""A cloud on the machine itself: it rents slices of it, with the terms and failures of a real one."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter

from springtide.clouds.booked import BookedCloud
from springtide.clouds.books import Books
from springtide.model.errors import CloudError
from springtide.model.fleet import Cloud

Result = TypeVar("Result")


class SlicesCloud(BookedCloud):
    """Rents slices of this machine by writing them into its books.

    ``books`` is a JSON file and the cloud's own memory: it outlives the control plane, and any
    number of programs may share it. ``owner`` is the tag by which one control plane knows its
    machines. A machine boots for its offer's ``boot_seconds``; ``since``, when the charge begins,
    is when the request was accepted.
    """

    def __init__(self, settings: Cloud, books: Path, owner: str, *, now: Callable[[], datetime]) -> None:
        super().__init__(settings, _BooksFile(books), owner, now)


class _BooksFile:
    """Books in a file that is replaced as a whole: a reader sees the old one or the new one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._adapter = TypeAdapter(Books)

    async def read(self) -> Books:
        return await asyncio.to_thread(self._read)

    async def change(self, turn: Callable[[Books], tuple[Books, Result]]) -> Result:
        return await asyncio.to_thread(self._change, turn)

    def _read(self) -> Books:
        try:
            return self._adapter.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return Books()
        except (OSError, ValueError) as error:
            raise CloudError(
                f"The books of the slices cloud, {self._path}, can't be read: {str(error).splitlines()[0]}.",
                remedy="Restore the file; without it nobody knows what is rented.",
            ) from error

    def _change(self, turn: Callable[[Books], tuple[Books, Result]]) -> Result:
        try:
            with self._held():
                old = self._read()
                new, result = turn(old)
                if new != old:
                    self._replace(self._adapter.dump_json(new, indent=1))
                return result
        except OSError as error:
            raise CloudError(
                f"The books of the slices cloud, {self._path}, can't be written: {error}.",
                remedy="See that its folder exists, has room and may be written; nothing was rented or returned.",
            ) from error

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Keep every other writer out, also in other programs; the kernel lets go when this one dies."""
        with self._path.with_name(self._path.name + ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _replace(self, content: bytes) -> None:
        draft = self._path.with_name(self._path.name + ".new")
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
