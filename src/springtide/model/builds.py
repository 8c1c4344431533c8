"""How images come to an engine: pulled, or built from source as a Compose file's ``build`` says."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from springtide.model.confinement import Ulimit
from springtide.model.mounts import SECRET_MAX_BYTES

DOCKERFILE = "Dockerfile"


class Pull(StrEnum):
    """When an image is pulled; in the words of Compose's ``pull_policy``."""

    MISSING = "missing"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class BuildSecret:
    """What a step of a build may read while it runs, and the image never holds. Made by :meth:`of`.

    ``id`` is the name that the Dockerfile gives it (``RUN --mount=type=secret,id=…``). What it holds is
    shown nowhere, and no record keeps it. Raises ValueError for content above the limit.
    """

    id: str
    encoded: str = field(repr=False)
    """The content in base 64."""

    @classmethod
    def of(cls, id: str, content: bytes) -> BuildSecret:
        return cls(id, base64.b64encode(content).decode())

    def __post_init__(self) -> None:
        if len(self.content) > SECRET_MAX_BYTES:
            raise ValueError(f"secret {self.id} has {len(self.content)} bytes; {SECRET_MAX_BYTES} is the most")

    @property
    def content(self) -> bytes:
        try:
            return base64.b64decode(self.encoded, validate=True)
        except binascii.Error as error:
            raise ValueError(f"secret {self.id} isn't in base 64") from error


@dataclass(frozen=True, slots=True)
class BuildSpec:
    """How to build an image. Empty texts, 0 and ``False`` leave it to the engine.

    ``context`` is an absolute directory, ``dockerfile`` a path from there or an absolute one. ``platform`` is
    as in ``linux/arm64``. ``tags`` are names that the image gets besides its id.
    """

    context: Path
    dockerfile: str = DOCKERFILE
    arguments: tuple[tuple[str, str], ...] = ()
    dockerfile_text: str = ""
    """The Dockerfile itself, instead of one that lies somewhere."""
    target: str = ""
    """The stage at which the build ends; the last one where this is empty."""
    labels: tuple[tuple[str, str], ...] = ()
    secrets: tuple[BuildSecret, ...] = ()
    network: str = ""
    """What steps reach: ``host``, ``none``, or as any container."""
    extra_hosts: tuple[tuple[str, str], ...] = ()
    tags: tuple[str, ...] = ()
    platform: str = ""
    cache_from: tuple[str, ...] = ()
    no_cache: bool = False
    pull: bool = False
    """Whether base images are asked for anew, although the engine has them."""
    shm_size_bytes: int = 0
    ulimits: tuple[Ulimit, ...] = ()
