"""The directory of a build as a tar, as the engine's builders take it."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from pathlib import Path
from typing import IO

from springtide.engines.docker_ignore import IgnoreRules
from springtide.model.builds import BuildSpec

IN_MEMORY_BYTES = 16 * 2**20
ADDED_DOCKERFILE = ".springtide.Dockerfile"
IGNORE_FILE = ".dockerignore"


def pack_context(spec: BuildSpec) -> tuple[IO[bytes], str]:
    """The directory without what is to stay behind, and the Dockerfile's name in it; the caller closes it.

    A Dockerfile that is given as text, or lies outside the directory, is added.
    """
    added = _added_dockerfile(spec)
    dockerfile = ADDED_DOCKERFILE if added is not None else _path_of(spec).relative_to(spec.context).as_posix()
    rules = IgnoreRules.read(_ignore_file(spec), always=(dockerfile, IGNORE_FILE))
    archive = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115  handed to the caller
    with tarfile.open(mode="w", fileobj=archive, format=tarfile.GNU_FORMAT) as tar:
        tar.addfile(_first_entry())
        for path in sorted(spec.context.rglob("*")):
            name = path.relative_to(spec.context).as_posix()
            if not rules.leaves_out(name):
                tar.add(path, name, recursive=False, filter=_as_root)
        if added is not None:
            entry = tarfile.TarInfo(ADDED_DOCKERFILE)
            entry.size = len(added)
            tar.addfile(entry, io.BytesIO(added))
    archive.seek(0)
    return archive, dockerfile


def _first_entry() -> tarfile.TarInfo:
    """The folder itself: BuildKit tells a tar from a bare Dockerfile by a first header that stands by itself."""
    entry = tarfile.TarInfo("./")
    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
    return entry


def _path_of(spec: BuildSpec) -> Path:
    return Path(os.path.normpath(spec.context / spec.dockerfile))


def _added_dockerfile(spec: BuildSpec) -> bytes | None:
    if spec.dockerfile_text:
        return spec.dockerfile_text.encode()
    path = _path_of(spec)
    return None if path.is_relative_to(spec.context) else path.read_bytes()


def _ignore_file(spec: BuildSpec) -> Path:
    """The Dockerfile's own, beside it under its name, counts before the directory's."""
    path = _path_of(spec)
    own = path.with_name(f"{path.name}{IGNORE_FILE}")
    return own if not spec.dockerfile_text and own.is_file() else spec.context / IGNORE_FILE


def _as_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry
