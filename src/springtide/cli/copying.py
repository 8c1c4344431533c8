"""``cp``: files and directories into and out of instances, by the rules of ``docker cp``."""

from __future__ import annotations

import http.client
import posixpath
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from springtide.cli.choosing import choose_running
from springtide.cli.client import ApiError, Client
from springtide.cli.executing import ContainerOption
from springtide.cli.group import CommandError
from springtide.cli.options import HomeOption, client_of
from springtide.cli.transfers import download, upload

STREAM = "-"
NOT_FOUND = 404
CONTENTS = "/."
"""At the end of a source: what is in the directory, not the directory."""


def add_commands(app: typer.Typer) -> None:
    app.command("cp")(copy)


def copy(
    source: Annotated[str, typer.Argument(metavar="SRC", help="PATH, SERVICE:PATH, INSTANCE:PATH, or - for a tar.")],
    destination: Annotated[str, typer.Argument(metavar="DST", help="The same; one of the two is in an instance.")],
    container: ContainerOption = "",
    home: HomeOption = None,
) -> None:
    """Copy files between an instance and here; of a service, the first instance that is ready.

    As with `docker cp`: into a directory that exists, else under the new name; SRC/. copies what is in
    a directory; - is a tar on standard input or output.
    """
    client = client_of(home)
    inside_source, inside_destination = _inside(source), _inside(destination)
    if (inside_source is None) == (inside_destination is None):
        raise CommandError(
            "One of the two must be in an instance, the other here.",
            remedy="Write for example: springtide cp web:/var/log/web.log .",
            code="usage",
        )
    if inside_source is not None:
        _copy_out(_remote(client, inside_source, container), destination)
    elif inside_destination is not None:
        _copy_in(source, _remote(client, inside_destination, container))


@dataclass(frozen=True, slots=True)
class Remote:
    """A path in an instance. ``wish`` is it as written, for its ending."""

    client: Client
    instance: str
    wish: str
    container: str

    @property
    def path(self) -> str:
        return posixpath.normpath(posixpath.join("/", self.wish))

    @property
    def here(self) -> tuple[str, str, str]:
        return "instances", self.instance, "files"

    def status(self, path: str) -> dict[str, Any] | None:
        """What is there, ``None`` where nothing is."""
        try:
            status: dict[str, Any] = self.client.get(*self.here, "status", path=path, container=self.container)
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            return None
        return status


def _inside(text: str) -> tuple[str, str] | None:
    """Name and path of what is in an instance. ``./a:b`` and ``/a:b`` are here."""
    name, colon, path = text.partition(":")
    return (name, path) if colon and name and not name.startswith((".", "/")) else None


def _remote(client: Client, inside: tuple[str, str], container: str) -> Remote:
    name, path = inside
    return Remote(client, choose_running(client, name), path, container)


# Out of an instance


def _copy_out(source: Remote, destination: str) -> None:
    with download(source.client, *source.here, path=source.path, container=source.container) as archive:
        if destination == STREAM:
            while data := archive.read(2**16):
                sys.stdout.buffer.write(data)
            sys.stdout.flush()
            return
        name = posixpath.basename(source.path)
        is_contents = source.wish.endswith(CONTENTS) or source.path == "/"
        folder, new_name = _place_here(Path(destination), destination, name, is_contents)
        _unpack(archive, folder, name, new_name)


def _place_here(path: Path, wish: str, name: str, is_contents: bool) -> tuple[Path, str]:
    """In which folder what is copied ends up, and under which name there; no name: its contents by themselves."""
    if path.is_dir():
        return path, "" if is_contents else name
    if wish.endswith("/") or not path.absolute().parent.is_dir():
        missing = path if wish.endswith("/") else path.absolute().parent
        raise CommandError(f"There is no directory {missing} here.", remedy=f"Make it: mkdir -p {missing}")
    return path.absolute().parent, path.name


def _unpack(archive: IO[bytes], folder: Path, name: str, new_name: str) -> None:
    """Write what a tar has, its top called otherwise; nothing outside of the folder is touched."""
    if not hasattr(tarfile, "tar_filter"):  # Python before 3.11.4: a tar could write where it likes
        raise CommandError("This Python unpacks tars without checks.", remedy="Upgrade it, or copy to - and unpack.")
    with _whole(), tarfile.open(fileobj=archive, mode="r|") as tar:
        for entry in tar:
            entry.name = _renamed(entry.name, name, new_name)
            if entry.islnk():
                entry.linkname = _renamed(entry.linkname, name, new_name)
            target = folder / entry.name
            if entry.isdir() and target.is_file():
                raise CommandError(f"{target} is a file, and a directory is to be copied there.", remedy="Move it.")
            try:
                tar.extract(entry, folder, filter="tar")
            except (OSError, tarfile.FilterError) as error:
                raise CommandError(f"{target} can't be written: {error}.", remedy="Choose another place.") from error


@contextmanager
def _whole() -> Iterator[None]:
    try:
        yield
    except (tarfile.ReadError, http.client.HTTPException) as error:
        raise CommandError("The copy broke off.", remedy="What is here may be incomplete; copy again.") from error


def _renamed(path: str, name: str, new_name: str) -> str:
    inner = posixpath.relpath(path, name) if name else path
    return posixpath.normpath(posixpath.join(new_name, inner))


# Into an instance


def _copy_in(source: str, destination: Remote) -> None:
    client, container = destination.client, destination.container
    if source == STREAM:
        upload(client, _pass_on, *destination.here, path=destination.path, container=container)
        return
    path = Path(source)
    if not path.exists() and not path.is_symlink():
        raise CommandError(f"There is no {source} here.", remedy="Correct the path.")
    folder, name = _place_there(path, source, destination)

    def pack(body: IO[bytes]) -> None:
        with tarfile.open(fileobj=body, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            tar.add(path, name or ".", filter=_as_root)

    upload(client, pack, *destination.here, path=folder, container=container)


def _place_there(source: Path, wish: str, destination: Remote) -> tuple[str, str]:
    """The folder of the instance and the name there; no name: a directory's contents by themselves."""
    is_contents = source.is_dir() and wish.endswith((CONTENTS, ".."))
    there = destination.status(destination.path)
    if there is not None and there["is_directory"]:
        return destination.path, "" if is_contents else source.absolute().name
    if there is not None and source.is_dir():
        raise CommandError(
            f"{destination.path} is a file in {destination.instance}, and {source} a directory.",
            remedy="Name a directory.",
        )
    folder = posixpath.dirname(destination.path)
    if destination.wish.endswith("/") and not source.is_dir():
        folder = destination.path
    above = destination.status(folder)
    if above is None or not above["is_directory"]:
        raise CommandError(
            f"There is no directory {folder} in {destination.instance}.",
            remedy=f"Make it: springtide exec {destination.instance} mkdir -p {folder}",
        )
    return folder, posixpath.basename(destination.path)


def _pass_on(body: IO[bytes]) -> None:
    while data := sys.stdin.buffer.read(2**16):
        body.write(data)


def _as_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Users here mean nothing in the instance."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry
