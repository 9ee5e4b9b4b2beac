"""A data package of Debian (or Ubuntu), fetched without root.

apt runs with its lists, cache and state in a private folder, so that it neither needs the system's
locks nor changes anything outside; the system's own sources, keys and proxy settings still hold.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagesets.specs import PARTS, ImageSetSpec
from imagesets.verification import Progress, SourceError

INSTALLED_DATASETS = Path("/usr/share/datasets")


@dataclass(frozen=True)
class DebianSource:
    """A Debian package with the files in /usr/share/datasets/<slug>; `timeout_s` is for each command."""

    package: str
    timeout_s: float = 180.0

    @property
    def name(self) -> str:
        return f"Debian package {self.package}"

    def fetch(self, spec: ImageSetSpec, workdir: Path, progress: Progress) -> Iterator[tuple[str, Path]]:
        for tool in ("apt-get", "dpkg-deb"):
            if shutil.which(tool) is None:
                raise SourceError(f"this machine has no {tool}")
        # apt takes relative folders as relative to its own.
        folder = workdir.resolve()
        unpacked = folder / "unpacked"
        self._unpack(folder, unpacked, progress)
        for part in sorted(PARTS, key=spec.part_bytes):
            path = unpacked / INSTALLED_DATASETS.relative_to("/") / spec.slug / spec.files[part].name
            if not path.is_file():
                raise SourceError(f"the package has no {path.name}")
            yield part, path

    def _unpack(self, folder: Path, unpacked: Path, progress: Progress) -> None:
        apt = ["apt-get", "-q", *_private_apt_options(folder)]
        progress("asking apt for its package lists", 0.0)
        try:
            self._run([*apt, "update"], folder)
        except SourceError as error:
            # One unreachable source of several makes update fail, although Debian's own list is there.
            update_failure = f" (and before, {error})"
        else:
            update_failure = ""
        progress(f"downloading {self.package}", 0.3)
        try:
            self._run([*apt, "download", self.package], folder)
        except SourceError as error:
            raise SourceError(f"{error}{update_failure}") from error
        archive = next(folder.glob(f"{self.package}_*.deb"), None)
        if archive is None:
            raise SourceError("apt-get download left no package")
        progress(f"unpacking {self.package}", 0.8)
        self._run(["dpkg-deb", "-x", str(archive), str(unpacked)], folder)
        progress(f"unpacking {self.package}", 1.0)

    def _run(self, command: Sequence[str], folder: Path) -> None:
        """Run a command to its end. Raises SourceError where it fails or takes too long."""
        log = folder / "log.txt"
        # A file, not a pipe: apt's children would hold a pipe open after apt itself was stopped.
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
                start_new_session=True,
            )
            try:
                status = process.wait(self.timeout_s)
            except subprocess.TimeoutExpired:
                raise SourceError(f"{command[0]} took longer than {self.timeout_s:g} s") from None
            finally:
                if process.returncode is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        if status:
            last_word = _last_word(log.read_text(errors="replace"))
            raise SourceError(f"{command[0]} failed: {last_word or f'status {status}'}")


def _private_apt_options(folder: Path) -> list[str]:
    options = {
        "Dir::State": folder / "state",
        "Dir::State::Lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        # Started by root, apt hands downloads to a user who cannot enter a private folder.
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::Retries": "1",
        "Acquire::http::Timeout": "20",
        "Acquire::https::Timeout": "20",
    }
    for partial in ("state", "lists/partial", "cache/archives/partial"):
        (folder / partial).mkdir(parents=True)
    return [argument for name, value in options.items() for argument in ("-o", f"{name}={value}")]


def _last_word(output: str) -> str:
    """Return the line of apt's output that says most: its last error, else its last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("E: ") for line in lines if line.startswith("E: ")]
    return (errors or lines or [""])[-1]
