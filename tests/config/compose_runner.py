"""Runs what docker-compose.yml says without containers: each service's own command and environment."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from config import lifeline
from tests.environment import ROOT

PATH = os.environ["PATH"]
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\}")


class MissingVariableError(Exception):
    """A `${NAME:?message}` whose variable is not set: the start is refused with the message."""


def compose_file() -> dict[str, Any]:
    content = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert isinstance(content, dict)
    return content


def substitute(value: Any, variables: Mapping[str, str]) -> Any:
    """Fill `${NAME}`, `${NAME:-default}` and `${NAME:?message}` as Compose does, at any depth."""
    if isinstance(value, dict):
        return {key: substitute(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [substitute(item, variables) for item in value]
    return VARIABLE.sub(lambda match: _filled(match, variables), value) if isinstance(value, str) else value


def _filled(match: re.Match[str], variables: Mapping[str, str]) -> str:
    value = variables.get(match["name"], "")
    if value or match["kind"] is None:
        return value
    if match["kind"] == "?":
        raise MissingVariableError(f"{match['name']}: {match['rest']}")
    return match["rest"]


class LocalService:
    """One service as a process of this machine; `moved`: what to replace, such as host names and ports.

    `programs` are folders of programs that a container has and this machine keeps off its PATH.
    """

    def __init__(
        self,
        name: str,
        service: Mapping[str, Any],
        moved: Mapping[str, str],
        folder: Path,
        programs: Sequence[Path] = (),
    ) -> None:
        self.name = name
        self._moved = moved
        self._folder = folder / name
        self._folder.mkdir(parents=True)
        self._command = self._local(service.get("command", []))
        self._health = service.get("healthcheck", {}).get("test", [])
        self.search_path = os.pathsep.join([str(Path(sys.executable).parent), *map(str, programs), PATH])
        var = {"HUMANMARK_VAR_DIR": str(self._folder), "HUMANMARK_ENV_FILE": str(self._folder / "no.env")}
        own = {key: self._move(str(value)) for key, value in service.get("environment", {}).items()}
        # Nothing of the environment of the tests: what a service needs, its file must name.
        self.environment = {"PATH": self.search_path, "HOME": str(self._folder), **var, **own}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        tie = [sys.executable, "-I", lifeline.__file__, str(os.getpid()), "9"]
        with (self._folder / "output.txt").open("wb") as output:
            self.process = subprocess.Popen(
                tie + self._command,
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def add_arguments(self, *arguments: str) -> None:
        self._command += arguments

    def manage(self, *arguments: str) -> str:
        """Run a management command with the service's environment; what it printed."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def is_healthy(self) -> bool:
        """Whether its own health check passes."""
        kind, *test = self._health
        command = ["sh", "-c", *test] if kind == "CMD-SHELL" else test
        done = subprocess.run(
            self._local(command), cwd=ROOT, env=self.environment, capture_output=True, timeout=60
        )
        return done.returncode == 0

    def output(self) -> str:
        return (self._folder / "output.txt").read_text(errors="replace")

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
            self.process.wait()

    def _local(self, command: list[str]) -> list[str]:
        return [self._move(word) for word in command]

    def _move(self, text: str) -> str:
        for there, here in self._moved.items():
            text = text.replace(there, here)
        return text
