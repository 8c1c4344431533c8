from __future__ import annotations

from pathlib import Path

import pytest

from springtide.model.workloads import ExecProbe, Healthcheck, HttpProbe, TcpProbe
from tests.formats.compose_files import web

ROUTED = "ports: ['8080:8000', '81:80']\n"


@pytest.mark.parametrize(
    ("test", "port", "path"),
    [
        ('["CMD", "wget", "-qO-", "http://localhost:8000/healthz"]', 8000, "/healthz"),
        ('["CMD", "wget", "-q", "-O-", "http://127.0.0.1:8000/"]', 8000, "/"),
        ('["CMD", "wget", "-q", "-O", "-", "http://127.0.0.1:8000"]', 8000, "/"),
        (
            '["CMD", "wget", "--no-verbose", "--tries=1", "--spider", "http://localhost/ready?full=1"]',
            80,
            "/ready?full=1",
        ),
        ('["CMD", "/usr/bin/curl", "-fsS", "localhost:8000/a"]', 8000, "/a"),
        ('["CMD", "curl", "--fail", "--silent", "-o", "/dev/null", "http://localhost:8000/a"]', 8000, "/a"),
        ('["CMD-SHELL", "curl -f http://localhost:8000/a || exit 1"]', 8000, "/a"),
        ("curl -s -f http://localhost:8000/a > /dev/null 2>&1 || exit 1", 8000, "/a"),
        ("wget -q --spider 'http://localhost:8000/a' || false", 8000, "/a"),
    ],
)
def test_a_local_get_of_a_routed_service_is_probed_from_outside(
    tmp_path: Path, test: str, port: int, path: str
) -> None:
    spec = web(tmp_path, f"{ROUTED}healthcheck:\n  test: {test}")
    assert spec.template.healthcheck.probe == HttpProbe(port, path)


@pytest.mark.parametrize(
    ("test", "command"),
    [
        ('["CMD", "pg_isready"]', ("pg_isready",)),
        ('["CMD", "curl", "http://localhost:8000/a"]', ("curl", "http://localhost:8000/a")),
        ('["CMD", "curl", "-f", "http://other:8000/a"]', ("curl", "-f", "http://other:8000/a")),
        ('["CMD", "curl", "-f", "https://localhost:8000/a"]', ("curl", "-f", "https://localhost:8000/a")),
        ('["CMD", "curl", "-f", "http://localhost:9999/a"]', ("curl", "-f", "http://localhost:9999/a")),
        (
            '["CMD", "curl", "-f", "-H", "A: b", "http://localhost:8000"]',
            ("curl", "-f", "-H", "A: b", "http://localhost:8000"),
        ),
        ('["CMD", "wget", "http://localhost:port/"]', ("wget", "http://localhost:port/")),
        ('["CMD", "curl", "-f"]', ("curl", "-f")),
        ("curl -f localhost:8000 | grep ok", ("/bin/sh", "-c", "curl -f localhost:8000 | grep ok")),
        ("curl -f localhost:8000 && test -e /x", ("/bin/sh", "-c", "curl -f localhost:8000 && test -e /x")),
        ("'curl -f \"localhost:8000'", ("/bin/sh", "-c", 'curl -f "localhost:8000')),
        ("curl -f localhost:$$PORT/a", ("/bin/sh", "-c", "curl -f localhost:$PORT/a")),
    ],
)
def test_everything_else_runs_inside_the_instance(tmp_path: Path, test: str, command: tuple[str, ...]) -> None:
    spec = web(tmp_path, f"{ROUTED}healthcheck:\n  test: {test}")
    assert spec.template.healthcheck.probe == ExecProbe(command)


def test_a_local_get_of_an_unrouted_service_runs_inside(tmp_path: Path) -> None:
    spec = web(tmp_path, "healthcheck: {test: [CMD, curl, -f, 'localhost:8000']}")
    assert spec.template.healthcheck.probe == ExecProbe(("curl", "-f", "localhost:8000"))


def test_the_checks_port_is_the_routes_where_nothing_else_says(tmp_path: Path) -> None:
    spec = web(tmp_path, "healthcheck: {test: 'curl -f localhost:8000/a'}\nx-springtide: {route: a.localhost}")
    assert spec.service.routes[0].target_port == 8000
    assert spec.template.healthcheck.probe == HttpProbe(8000, "/a")


def test_without_a_check_a_routed_service_is_ready_once_its_port_accepts(tmp_path: Path) -> None:
    assert web(tmp_path, "ports: ['8080:80']").template.healthcheck.probe == TcpProbe(80)


def test_without_a_check_an_unrouted_service_is_ready_once_it_runs(tmp_path: Path) -> None:
    assert web(tmp_path, "user: a").template.healthcheck == Healthcheck()


@pytest.mark.parametrize("section", ["{disable: true}", "{test: [NONE]}", "{test: [CMD, x], disable: 'true'}"])
def test_a_switched_off_check_leaves_nothing_to_probe(tmp_path: Path, section: str) -> None:
    assert web(tmp_path, f"{ROUTED}healthcheck: {section}").template.healthcheck.probe is None


def test_times_default_to_the_specifications(tmp_path: Path) -> None:
    check = web(tmp_path, "healthcheck: {test: [CMD, x]}").template.healthcheck
    assert check == Healthcheck(ExecProbe(("x",)), 30.0, 30.0, 3, 0.0)


def test_times_are_read(tmp_path: Path) -> None:
    body = "healthcheck: {test: [CMD, x], interval: 1m30s, timeout: 500ms, retries: 5, start_period: 2s}"
    assert web(tmp_path, body).template.healthcheck == Healthcheck(ExecProbe(("x",)), 90.0, 0.5, 5, 2.0)


def test_times_alone_keep_the_probe_that_a_service_has_anyway(tmp_path: Path) -> None:
    check = web(tmp_path, "ports: ['8080:80']\nhealthcheck: {interval: 2s}").template.healthcheck
    assert (check.probe, check.interval_seconds) == (TcpProbe(80), 2.0)
