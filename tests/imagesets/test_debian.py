"""The Debian package, with stand-ins for apt-get and dpkg-deb: no test needs Debian or a network."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imagesets.debian import DebianSource
from imagesets.sources import NoSourceError, Obtained, obtain
from tests.imagesets.small_sets import small_arrays, spec_of, write_files

ARRAYS = small_arrays()
SPEC = spec_of(ARRAYS)
SOURCE = DebianSource("dataset-small", timeout_s=20)

APT = """#!/bin/sh
echo "$@" >> {calls}
{update}
case "$*" in *" download "*) {download} ;; esac
"""


class Tools:
    """A PATH folder with scripts in place of apt-get and dpkg-deb."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.folder = folder
        self.calls = folder / "calls"
        target = f"usr/share/datasets/{SPEC.slug}"
        self.write_apt()
        self.write("dpkg-deb", f'#!/bin/sh\nmkdir -p "$3/{target}" && cp {data}/* "$3/{target}"\n')

    def write(self, name: str, script: str) -> None:
        tool = self.folder / name
        tool.write_text(script)
        tool.chmod(0o755)

    def write_apt(self, update: str = "", download: str = ": > dataset-small_1.0_all.deb") -> None:
        self.write("apt-get", APT.format(calls=self.calls, update=update, download=download))


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    data = write_files(tmp_path / "data", SPEC, ARRAYS)
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.defpath}")
    return Tools(folder, data)


def fetched(tmp_path: Path, source: DebianSource = SOURCE) -> Obtained:
    return obtain(SPEC, [source], tmp_path / "work", lambda step, share: None)


def failure_of(tmp_path: Path, source: DebianSource = SOURCE) -> str:
    with pytest.raises(NoSourceError) as failure:
        fetched(tmp_path, source)
    return str(failure.value)


def test_the_package_is_fetched_unpacked_and_verified(tmp_path: Path, tools: Tools) -> None:
    obtained = fetched(tmp_path)
    assert obtained.source == "Debian package dataset-small"
    assert all(path.is_relative_to(tmp_path / "work") for path in obtained.files.values())


def test_apt_is_given_private_folders_for_all_that_it_writes(tmp_path: Path, tools: Tools) -> None:
    fetched(tmp_path)
    update, download = tools.calls.read_text().splitlines()
    for option in ("Dir::State", "Dir::State::Lists", "Dir::Cache"):
        assert f"-o {option}={tmp_path / 'work'}/" in update
    assert update.endswith(" update")
    assert download.endswith(" download dataset-small")


def test_a_failed_update_alone_is_no_failure(tmp_path: Path, tools: Tools) -> None:
    tools.write_apt(update='case "$*" in *" update") echo "E: one list of many"; exit 100 ;; esac')
    assert fetched(tmp_path).source == "Debian package dataset-small"


def test_a_failed_download_is_told_in_apts_own_words(tmp_path: Path, tools: Tools) -> None:
    tools.write_apt(
        update='case "$*" in *" update") echo "E: no network"; exit 100 ;; esac',
        download='echo "E: Unable to locate package"; echo "more"; exit 100',
    )
    text = failure_of(tmp_path)
    assert "apt-get failed: Unable to locate package (and before, apt-get failed: no network)" in text


def test_a_download_that_leaves_nothing_is_a_failure(tmp_path: Path, tools: Tools) -> None:
    tools.write_apt(download=":")
    assert "left no package" in failure_of(tmp_path)


def test_a_package_without_the_files_is_a_failure(tmp_path: Path, tools: Tools) -> None:
    tools.write("dpkg-deb", "#!/bin/sh\nexit 0\n")
    assert "the package has no t10k-labels-idx1-ubyte.gz" in failure_of(tmp_path)


def test_a_package_that_does_not_unpack_is_a_failure(tmp_path: Path, tools: Tools) -> None:
    tools.write("dpkg-deb", "#!/bin/sh\nexit 2\n")
    assert "dpkg-deb failed: status 2" in failure_of(tmp_path)


def test_a_hanging_apt_is_killed_with_its_children(tmp_path: Path, tools: Tools) -> None:
    pid_file = tmp_path / "child"
    tools.write_apt(update=f"sleep 60 & echo $! > {pid_file}; wait")
    text = failure_of(tmp_path, DebianSource("dataset-small", timeout_s=0.3))
    assert "apt-get took longer than 0.3 s" in text
    state = Path(f"/proc/{pid_file.read_text().strip()}/stat")
    assert not state.exists() or state.read_text().split(")")[1].split()[0] == "Z"


def test_a_machine_without_apt_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "this machine has no apt-get" in failure_of(tmp_path)
