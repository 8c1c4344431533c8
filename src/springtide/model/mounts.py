"""What an instance finds in its file system besides its image: volumes, folders, memory, single files."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

SECRET_MAX_BYTES = 500 * 2**10
CONFIG_MAX_BYTES = 2**20
"""The largest secret and config; Docker Swarm has the same limits."""

READABLE_BY_ALL = 0o444
ENGINE_SOCKET = "docker.sock"


class MountType(StrEnum):
    VOLUME = "volume"
    BIND = "bind"
    TMPFS = "tmpfs"


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount at ``target``, an absolute path.

    ``source`` is a volume's name in its app (empty: a fresh volume that goes with the instance), or
    an absolute path of the node's machine for a bind. ``subpath`` is a folder within the volume.
    """

    type: MountType
    target: str
    source: str = ""
    read_only: bool = False
    is_initially_empty: bool = False
    """Compose's ``nocopy``: a new volume doesn't get what the image has at ``target``."""
    subpath: str = ""
    propagation: str = ""
    """``rprivate`` where this is empty; also ``private``, ``shared``, ``rshared``, ``slave``, ``rslave``."""
    is_recursive: bool = True
    """Whether a bind brings what is mounted below its source."""
    creates_source: bool = False
    """Compose's ``create_host_path``: a missing source is made, as a folder of root's."""
    selinux: str = ""
    """``z`` (shared) or ``Z`` (private) where the source is to be relabelled."""
    size_bytes: int = 0
    """At most so much in memory; 0: no limit but the instance's memory."""
    mode: int | None = None
    """Permissions of a tmpfs; 0o1777 where this isn't said."""
    options: tuple[str, ...] = ()
    """Further options of a tmpfs, such as ``exec`` and ``uid=1000``."""


@dataclass(frozen=True, slots=True)
class FileMount:
    """A config or secret: one file at ``target``, an absolute path. Made by :meth:`of`.

    What it holds is shown nowhere: not in ``repr``, in no answer, event or log. ``uid`` and ``gid`` are
    numbers. Raises ValueError for content above the limit.
    """

    name: str
    target: str
    encoded: str = field(repr=False)
    """The content in base 64: bytes of any kind pass through JSON unharmed like this."""
    uid: int = 0
    gid: int = 0
    mode: int = READABLE_BY_ALL
    is_secret: bool = False

    @classmethod
    def of(cls, name: str, target: str, content: bytes, *, is_secret: bool = False) -> FileMount:
        """A file of root's that all may read; ``dataclasses.replace`` gives it another owner or mode."""
        return cls(name, target, base64.b64encode(content).decode(), is_secret=is_secret)

    def __post_init__(self) -> None:
        if len(self.content) > self.max_bytes:
            raise ValueError(f"{self.kind} {self.name} has {len(self.content)} bytes; {self.max_bytes} is the most")

    @property
    def content(self) -> bytes:
        try:
            return base64.b64decode(self.encoded, validate=True)
        except binascii.Error as error:
            raise ValueError(f"{self.kind} {self.name} isn't in base 64") from error

    @property
    def kind(self) -> str:
        return "secret" if self.is_secret else "config"

    @property
    def max_bytes(self) -> int:
        return SECRET_MAX_BYTES if self.is_secret else CONFIG_MAX_BYTES


@dataclass(frozen=True, slots=True)
class VolumeDefinition:
    """A named volume of an app.

    ``external_name`` is the engine's own name of a volume that somebody else made and keeps;
    ``engine_name`` is what the engine is to call one that Springtide makes (Compose's ``name``).
    """

    name: str
    driver: str = ""
    driver_options: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    engine_name: str = ""
    external_name: str = ""

    @property
    def is_external(self) -> bool:
        return bool(self.external_name)


def volume_named(name: str, definitions: Iterable[VolumeDefinition]) -> VolumeDefinition:
    """The volume of this name, an ordinary one where nothing more is said of it."""
    return next((each for each in definitions if each.name == name), VolumeDefinition(name))
