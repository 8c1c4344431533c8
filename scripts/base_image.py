#!/usr/bin/env python3
"""Put two small images into the Docker Engine without any image hub: springtide/python:3 and springtide/busybox:1.

The files come from the distribution's own packages: apt resolves the list against an empty machine,
``apt-get download`` fetches it, ``dpkg-deb`` unpacks it. Nothing needs root, debootstrap or the docker
command; an image that is there already is left alone. Standard library only, so that any python3 runs it.

    scripts/base_image.py [--host unix:///var/run/docker.sock] [--work build/base-image] [--force]
"""

from __future__ import annotations

import argparse
import http.client
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

API = "/v1.41"
TRIMMED = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/bug",
    "usr/share/pixmaps",
    "usr/share/applications",
    "usr/share/perl5",
    "usr/share/readline",
    "usr/lib/*/gconv",
    "usr/lib/*/perl-base",
    "usr/lib/python3*/test",
    "usr/lib/python3*/idlelib",
    "usr/lib/python3*/lib2to3",
    "usr/lib/python3*/pydoc_data",
    "usr/lib/python3*/turtledemo",
    "usr/lib/python3*/ensurepip",
    "usr/lib/python3*/config-*",
    "var/lib/dpkg",
    "var/cache",
)
"""What a container that runs Python never opens."""

NOT_NEEDED = frozenset({"dpkg", "tar", "perl-base", "readline-common", "libtirpc-common", "libpcre2-8-0", "libzstd1"})
"""Packages that python3 pulls in for its installation scripts only; busybox brings sh, tar and wget."""

ACCOUNTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/app:/bin/sh\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "etc/group": "root:x:0:\napp:x:1000:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


class BaseImageError(Exception):
    """The images can't be made; the text says why and what to do."""


@dataclass(frozen=True)
class Image:
    """One image to make: its name, the packages whose files it has, and Dockerfile-like settings."""

    repository: str
    tag: str
    packages: tuple[str, ...]
    changes: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.repository}:{self.tag}"


PATH = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
IMAGES = (
    Image("springtide/busybox", "1", ("busybox-static",), (PATH, 'CMD ["sh"]')),
    Image("springtide/python", "3", ("python3", "busybox-static"), (PATH, "ENV LANG=C.UTF-8", 'CMD ["python3"]')),
)


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=300)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


@dataclass(frozen=True)
class EngineApi:
    """The two calls of the engine's API that are needed here."""

    host: str

    def has_image(self, name: str) -> bool:
        status, _ = self._request("GET", f"/images/{name}/json")
        return status == 200

    def import_image(self, image: Image, archive: Path) -> None:
        query = [("fromSrc", "-"), ("repo", image.repository), ("tag", image.tag)]
        query += [("changes", each) for each in image.changes]
        with archive.open("rb") as body:
            headers = {"Content-Type": "application/x-tar", "Content-Length": str(archive.stat().st_size)}
            status, answer = self._request("POST", "/images/create?" + urllib.parse.urlencode(query), body, headers)
        if status != 200 or b'"error"' in answer:
            raise BaseImageError(f"The engine refused the image ({status}): {answer.decode(errors='replace').strip()}")

    def _request(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        connection = self._connection()
        try:
            connection.request(method, API + path, body, headers or {})  # type: ignore[arg-type]
            response = connection.getresponse()
            return response.status, response.read()
        except OSError as error:
            raise BaseImageError(
                f"No Docker Engine answers at {self.host} ({error}). "
                "Start it (service docker start), or name another with --host or DOCKER_HOST."
            ) from error
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        url = urllib.parse.urlsplit(self.host)
        if url.scheme == "unix":
            return UnixConnection(url.path)
        return http.client.HTTPConnection(url.hostname or "localhost", url.port or 2375, timeout=300)


class Packages:
    """Resolves and fetches packages with the distribution's apt, changing nothing on the machine.

    Uses the machine's package lists; where they are missing or too old, fetches fresh ones into ``work``.
    """

    def __init__(self, work: Path) -> None:
        self.work = work
        self.options = ["-o", "APT::Install-Recommends=false", "-o", "APT::Sandbox::User="]

    def fetch(self, names: Sequence[str], into: Path) -> list[Path]:
        try:
            return self._fetch(names, into)
        except BaseImageError:
            self._use_own_lists()
            return self._fetch(names, into)

    def _fetch(self, names: Sequence[str], into: Path) -> list[Path]:
        empty_status = self.work / "status"
        empty_status.touch()
        plan = self._apt("-s", "-o", f"Dir::State::status={empty_status}", "install", *names)
        wanted = [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]
        wanted = sorted(name for name in wanted if name not in NOT_NEEDED and not name.endswith("-base"))
        self._apt("download", *wanted, cwd=into)
        return sorted(into.glob("*.deb"))

    def _use_own_lists(self) -> None:
        lists, cache = self.work / "apt/lists", self.work / "apt/cache"
        for folder in (lists / "partial", cache / "archives/partial"):
            folder.mkdir(parents=True, exist_ok=True)
        self.options += ["-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={cache}"]
        self._apt("update")

    def _apt(self, *arguments: str, cwd: Path | None = None) -> str:
        command = ["apt-get", "-qq", *self.options, *arguments]
        done = subprocess.run(
            command, cwd=cwd, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}, check=False
        )
        if done.returncode:
            raise BaseImageError(
                f"{' '.join(arguments[:1])} failed: {done.stderr.strip() or done.stdout.strip()}. "
                "Check that this machine reaches its package sources (apt-get update)."
            )
        return done.stdout


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--host", default=os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock")
    parser.add_argument("--work", type=Path, default=Path("build/base-image"))
    parser.add_argument("--force", action="store_true", help="make the images even where they are there")
    options = parser.parse_args()
    try:
        make_images(EngineApi(options.host), options.work, options.force)
    except BaseImageError as error:
        print(f"base images: {error}", file=sys.stderr)
        return 1
    return 0


def make_images(engine: EngineApi, work: Path, force: bool) -> None:
    """Make each image that the engine doesn't have yet. Raises BaseImageError."""
    wanted = [image for image in IMAGES if force or not engine.has_image(image.name)]
    for image in IMAGES:
        if image not in wanted:
            print(f"{image.name}: already there")
    if not wanted:
        return
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise BaseImageError(
                f"{tool} isn't here, so {wanted[-1].name} can't be made from packages. On a machine that isn't "
                "Debian or Ubuntu, tag any image with python3 and wget under that name."
            )
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work) as scratch:
        packages = Packages(Path(scratch).resolve())
        for image in wanted:
            since = time.monotonic()
            size_bytes = make_image(engine, image, packages)
            print(f"{image.name}: made in {time.monotonic() - since:.1f} s, {size_bytes / 2**20:.0f} MiB")


def make_image(engine: EngineApi, image: Image, packages: Packages) -> int:
    """Fetch, unpack, trim, precompile, import; the size of the image in bytes."""
    with tempfile.TemporaryDirectory(dir=packages.work) as scratch_name:
        scratch = Path(scratch_name)
        root = scratch / "root"
        prepare_root(root)
        for package in packages.fetch(image.packages, scratch):
            unpack(package, root)
        trim(root)
        link_busybox(root)
        precompile(root)
        archive = scratch / "image.tar"
        size_bytes = pack(root, archive)
        engine.import_image(image, archive)
    return size_bytes


def prepare_root(root: Path) -> None:
    """Lay out what every image has before packages are unpacked: merged /usr, accounts, /tmp."""
    for folder in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / folder).mkdir(parents=True)
        (root / folder).symlink_to(f"usr/{folder}")
    for folder in ("etc", "root", "app", "proc", "sys", "dev", "run"):
        (root / folder).mkdir()
    for folder in ("tmp", "var/tmp"):
        (root / folder).mkdir(parents=True)
        (root / folder).chmod(0o1777)
    for name, text in ACCOUNTS.items():
        (root / name).write_text(text)


def unpack(package: Path, root: Path) -> None:
    """Unpack a package's files; tar keeps the merged-/usr links, which ``dpkg-deb -x`` would replace."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE) as files:
        tar = ["tar", "-x", "--keep-directory-symlink", "--no-same-owner", "-C", str(root)]
        done = subprocess.run(tar, stdin=files.stdout, capture_output=True, text=True, check=False)
    if done.returncode or files.returncode:
        raise BaseImageError(f"{package.name} can't be unpacked: {done.stderr.strip()}. Is the disk full?")


def trim(root: Path) -> None:
    for pattern in TRIMMED:
        for path in root.glob(pattern):
            shutil.rmtree(path)


def link_busybox(root: Path) -> None:
    """Give the image busybox's commands (sh, wget, …) wherever a package doesn't bring its own."""
    for name in run(str(root / "bin/busybox"), "--list").split():
        path = root / "usr/bin" / name
        if not path.exists() and not path.is_symlink():
            path.symlink_to("busybox")


def precompile(root: Path) -> None:
    """Compile the standard library with the image's own Python, so that containers start without compiling."""
    library = next(root.glob("usr/lib/python3.*"), None)
    if library is None:
        return
    loader = next(path for path in sorted(root.glob("usr/lib*/**/ld-linux*.so.*")) if path.is_file())
    libraries = ":".join(str(path) for path in root.glob("usr/lib/*-linux-gnu*"))
    python = [str(loader), "--library-path", libraries, str(root / "usr/bin" / library.name)]
    compile_all = ["-S", "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"]
    run(*python, *compile_all, "-s", str(root), "-p", "/", str(library), environment={"PYTHONHOME": str(root / "usr")})


def pack(root: Path, archive: Path) -> int:
    """Write the tree as root's files into ``archive``, in a fixed order; the sum of file sizes in bytes."""

    def as_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 1000 if entry.name == "app" else 0
        entry.uname = entry.gname = ""
        return entry

    with tarfile.open(archive, "w") as tar:
        for path in sorted(tree(root)):
            tar.add(path, path.relative_to(root).as_posix(), recursive=False, filter=as_root)
    return sum(path.lstat().st_size for path in tree(root) if path.is_file() and not path.is_symlink())


def tree(root: Path) -> Iterator[Path]:
    return root.rglob("*")


def run(*command: str, environment: dict[str, str] | None = None) -> str:
    """The command's output. Raises BaseImageError with what it said."""
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **(environment or {})}, check=False
    )
    if done.returncode:
        raise BaseImageError(f"{Path(command[0]).name} failed: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
