"""What a Docker Engine leaves on a machine outside its own folder, and how to take it away again.

dockerd makes the bridge docker0, rules and chains of iptables, switches forwarding on, and writes
/etc/docker/key.json. What was there before it started is noted, and stays.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import socket
import struct
import subprocess
from pathlib import Path

BRIDGES = Path("/sys/class/net")
FORWARDING = (Path("/proc/sys/net/ipv4/ip_forward"),)
FOLDERS = tuple(
    Path(name) for name in ("/etc/docker", "/run/docker", "/run/containerd", "/var/lib/docker", "/opt/containerd")
)
CGROUPS = Path("/sys/fs/cgroup")
FIREWALLS = ("iptables", "ip6tables")
SIOCBRDELBR = 0x89A1
SIOCSIFFLAGS = 0x8914


def note_before(note: Path) -> None:
    """Write down what is there before our engine starts for the first time."""
    if note.exists():
        return
    seen = {
        "bridges": sorted(path.name for path in BRIDGES.iterdir()),
        "folders": [str(path) for path in FOLDERS if path.exists()],
        "cgroups": [str(path) for path in _cgroups()],
        "key": Path("/etc/docker/key.json").exists(),
        "forwarding": {str(path): path.read_text() for path in FORWARDING},
        "rules": {name: _rules(name) for name in FIREWALLS},
    }
    note.write_text(json.dumps(seen, indent=1))


def remove_traces(note: Path) -> None:
    """Take away what has come since the note was written and is the engine's; call when it has stopped."""
    seen = json.loads(note.read_text())
    for path in sorted(BRIDGES.iterdir()):
        is_dockers = path.name == "docker0" or path.name.startswith("br-")
        if is_dockers and path.name not in seen["bridges"] and (path / "bridge").is_dir():
            delete_bridge(path.name)
    for firewall, before in seen["rules"].items():
        restore_rules(firewall, before)
    for name, value in seen["forwarding"].items():
        Path(name).write_text(value)
    if not seen["key"]:
        Path("/etc/docker/key.json").unlink(missing_ok=True)
    for folder in FOLDERS:
        if str(folder) not in seen["folders"]:
            _remove_empty(folder)
    for cgroup in _cgroups():
        if str(cgroup) not in seen["cgroups"]:
            cgroup.rmdir()


def delete_bridge(name: str) -> None:
    """Take a bridge down and delete it, without needing the ip command."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", name.encode(), 0))
        fcntl.ioctl(any_socket, SIOCBRDELBR, name.encode().ljust(16, b"\0"))


def restore_rules(firewall: str, before: list[str]) -> None:
    """Delete the rules and chains of Docker that weren't there before; everybody else's stay."""
    table = ""
    chains = []
    for line in _rules(firewall):
        if line.startswith("*"):
            table = line[1:]
        elif line in before:
            continue
        elif line.startswith("-A ") and _is_dockers(line):
            _change(firewall, table, "-D", *line[3:].split())
        elif line.startswith(":DOCKER"):
            chains.append((table, line[1:].split()[0]))
        elif table == "filter" and line == ":FORWARD DROP":
            _change(firewall, table, "-P", "FORWARD", "ACCEPT")
    for action in ("-F", "-X"):
        for table, chain in chains:
            _change(firewall, table, action, chain)


def _is_dockers(rule: str) -> bool:
    return "DOCKER" in rule or "docker0" in rule or " br-" in rule


def _rules(firewall: str) -> list[str]:
    """The rules as they stand, counters left out; none where the tool is missing or the kernel has no such table."""
    program = shutil.which(f"{firewall}-save", path="/usr/sbin:/sbin:/usr/bin")
    if program is None:
        return []
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    return [line.partition(" [")[0] for line in done.stdout.splitlines() if not line.startswith("#")]


def _change(firewall: str, table: str, *words: str) -> None:
    program = shutil.which(firewall, path="/usr/sbin:/sbin:/usr/bin") or firewall
    done = subprocess.run([program, "-w", "-t", table, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{firewall} {' '.join(words)} in table {table} failed: {done.stderr.strip()}")


def _cgroups() -> list[Path]:
    """The engine's cgroups: one a controller in version 1, one in version 2."""
    return sorted([*CGROUPS.glob("docker"), *CGROUPS.glob("*/docker")])


def _remove_empty(folder: Path) -> None:
    """Remove a folder and those below it as far as they hold nothing but sockets that nobody listens on."""
    if not folder.is_dir():
        return
    for path in folder.rglob("*"):
        if path.is_socket():
            path.unlink()
    for path in sorted((each for each in folder.rglob("*") if each.is_dir()), reverse=True):
        if not any(path.iterdir()):
            path.rmdir()
    if not any(folder.iterdir()):
        folder.rmdir()
