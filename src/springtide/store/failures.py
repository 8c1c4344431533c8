"""What a database's failure means, and what to do about it."""

from __future__ import annotations

from springtide.model.errors import StoreError

_REMEDIES = (
    (
        "SQLITE_FULL",
        "the disk is full",
        "Make room on its disk; nothing was half-written, and later commits work again.",
    ),
    ("SQLITE_BUSY", "another program holds it locked", "End the other program that writes to it, then try again."),
    ("SQLITE_LOCKED", "another program holds it locked", "End the other program that writes to it, then try again."),
    ("SQLITE_CORRUPT", "the file is damaged", "Stop Springtide and restore the file from a backup."),
    ("SQLITE_NOTADB", "the file is not a database", "Stop Springtide and restore the file from a backup."),
    ("SQLITE_CANTOPEN", "the file can't be opened", "See that its folder exists and may be written by this user."),
    ("SQLITE_READONLY", "the file can't be written", "See that the file and its folder may be written by this user."),
    ("SQLITE_PERM", "the file can't be written", "See that the file and its folder may be written by this user."),
    ("SQLITE_IOERR", "its disk failed or is full", "Look at the disk and make room; nothing was half-written."),
)


def store_failure(error: BaseException, place: str) -> StoreError:
    """A failed database call as a StoreError that names the file or server, the cause and the remedy."""
    found = next((each for each in _chain(error) if getattr(each, "sqlite_errorname", None)), None)
    name = str(getattr(found, "sqlite_errorname", ""))
    for prefix, cause, remedy in _REMEDIES:
        if name.startswith(prefix):
            return StoreError(f"The record {place} can't be used: {cause} ({name}: {found}).", remedy=remedy)
    return StoreError(
        f"The record {place} can't be used: {getattr(error, 'orig', None) or error}.",
        remedy="Look at the database, then try again; nothing was half-written.",
    )


def _chain(error: BaseException | None) -> list[BaseException]:
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        error = getattr(error, "orig", None) or error.__cause__ or error.__context__
    return seen
