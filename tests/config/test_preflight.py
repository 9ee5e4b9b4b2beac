"""What must hold before a site starts, each failure a sentence that says what to do."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from pathlib import Path
from typing import NamedTuple

import pytest
from django.conf import settings
from django.core.management.base import CommandError
from django.db import OperationalError

from config import preflight
from config.supervisor import StartError
from tests.services import free_port


class DiskUsage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_writable_folder_with_room_is_accepted_and_left_clean(tmp_path: Path) -> None:
    preflight.check_var(tmp_path / "var")
    assert [path.name for path in (tmp_path / "var").iterdir()] == ["logs"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match="HUMANMARK_VAR_DIR"):
        preflight.check_var(tmp_path / "file" / "var")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_somebody_else_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StartError, match="cannot be written"):
        preflight.check_var(tmp_path)
    tmp_path.chmod(0o700)


def test_a_nearly_full_disk_is_told_with_what_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: DiskUsage(10**12, 10**12, 20 << 20))
    with pytest.raises(StartError, match="only 20 MB free"):
        preflight.check_var(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_later_is_one_line_too(number: int, tmp_path: Path) -> None:
    with (
        pytest.raises(CommandError, match="is full; free some space"),
        preflight.errors_in_one_line(tmp_path),
    ):
        raise OSError(number, os.strerror(number))


def test_a_database_that_refuses_is_one_line(tmp_path: Path) -> None:
    with (
        pytest.raises(CommandError, match=r"^the database refuses: first$"),
        preflight.errors_in_one_line(tmp_path),
    ):
        raise OperationalError("first\nsecond")


def test_a_database_that_is_not_there_is_named() -> None:
    nowhere = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "x",
        "USER": "x",
        "PASSWORD": "",
        "HOST": "127.0.0.1",
        "PORT": free_port(),
        "OPTIONS": {"pool": {}},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "DATABASES", {"default": nowhere})
        with pytest.raises(StartError, match="HUMANMARK_DATABASE_URL"):
            preflight.check_database()


def test_a_free_port_is_accepted_and_left_free() -> None:
    port = free_port()
    preflight.check_port("127.0.0.1", port)
    preflight.check_port("127.0.0.1", port)


def test_a_taken_port_is_told_with_one_that_is_free() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(StartError, match=rf"port {port} is taken.*PORT=\d+") as caught:
            preflight.check_port("127.0.0.1", port)
    suggested = int(str(caught.value).rpartition("=")[2])
    assert suggested != port
    preflight.listen_once("127.0.0.1", suggested)


@pytest.mark.parametrize("host", ["no-such-name.invalid", "192.0.2.7"])
def test_a_host_that_is_not_this_machine_is_named(host: str) -> None:
    with pytest.raises(StartError, match=f"HOST={host}"):
        preflight.check_port(host, free_port())


def test_only_one_site_runs_from_a_folder_and_its_lock_leaves_no_file(tmp_path: Path) -> None:
    with preflight.only_site_in(tmp_path):
        with (
            pytest.raises(StartError, match=f"already runs.*process {os.getpid()}"),
            preflight.only_site_in(tmp_path),
        ):
            pass
        assert (tmp_path / "site.lock").exists()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_file_of_a_killed_site_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "site.lock").write_text("4242")
    with preflight.only_site_in(tmp_path):
        assert (tmp_path / "site.lock").read_text() == str(os.getpid())


def test_sqlite_needs_no_asking() -> None:
    preflight.check_database()
