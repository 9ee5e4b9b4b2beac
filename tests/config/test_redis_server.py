"""The embedded Redis: found, private, lasting, and never left over."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import redis_server
from tests.conftest import need
from tests.waiting import wait_until


@pytest.fixture
def program() -> Path:
    found = redis_server.find_redis_server()
    need(found, "Redis")
    assert found is not None
    return found


@pytest.fixture
def server(program: Path, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = start(program, tmp_path)
    yield process
    process.kill()
    process.wait()


def start(program: Path, folder: Path) -> subprocess.Popen[bytes]:
    command = redis_server.redis_command(program, folder / "r.sock", folder)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    wait_until(lambda: redis_server.answers(folder / "r.sock"), "Redis answers")
    return process


@pytest.mark.usefixtures("server")
def test_it_listens_on_a_socket_of_its_owner_and_on_no_port(tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "r.sock").stat().st_mode) == 0o700
    assert redis_server.client(tmp_path / "r.sock").config_get("port") == {"port": "0"}


def test_what_was_queued_survives_a_kill(
    server: subprocess.Popen[bytes], program: Path, tmp_path: Path
) -> None:
    client = redis_server.client(tmp_path / "r.sock")
    client.lpush("runs", "message")
    # everysec: after a kill -9 the kernel still has what Redis wrote; only a power cut could lose a second.
    wait_until(
        lambda: b"message" in b"".join(file.read_bytes() for file in tmp_path.rglob("*.aof")), "it is written"
    )
    server.kill()
    server.wait()
    again = start(program, tmp_path)
    try:
        assert redis_server.client(tmp_path / "r.sock").lrange("runs", 0, -1) == [b"message"]
    finally:
        again.kill()
        again.wait()


def test_a_leftover_is_ended_and_its_socket_removed(server: subprocess.Popen[bytes], tmp_path: Path) -> None:
    assert redis_server.end_leftover(tmp_path / "r.sock")
    assert server.wait(10) is not None
    assert not (tmp_path / "r.sock").exists()


def test_a_socket_that_nobody_serves_is_removed(server: subprocess.Popen[bytes], tmp_path: Path) -> None:
    server.kill()
    server.wait()
    assert (tmp_path / "r.sock").exists()
    assert not redis_server.end_leftover(tmp_path / "r.sock")
    assert not (tmp_path / "r.sock").exists()


def test_where_there_is_no_program_none_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    assert redis_server.find_redis_server() is None
    unpacked = tmp_path / "bin" / "redis-server"
    unpacked.parent.mkdir()
    unpacked.write_text("")
    unpacked.chmod(0o755)
    assert redis_server.find_redis_server() == unpacked
