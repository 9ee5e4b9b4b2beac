"""Documents and files of a deployment say what the settings read, and hold no secret."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.environment import ROOT

NAME = re.compile(r"\b(HUMANMARK_[A-Z_]+)\b")
READ = re.compile(
    r"""(?:env\.\w+|environ\.get|_sqlite|integer|flag|text)\(\s*"(HUMANMARK_[A-Z_]+|PORT|HOST)"""
)


def read_by_the_site() -> set[str]:
    files = [
        path
        for folder in ("config", "imagesets", "annotate", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
    ]
    return {name for file in files for name in READ.findall(file.read_text())}


def documented() -> set[str]:
    text = (ROOT / "docs" / "deployment.md").read_text()
    return {
        name
        for line in text.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([A-Z_]+)`", line)
    }


def test_every_variable_that_the_site_reads_is_documented_and_the_other_way_round() -> None:
    assert len(read_by_the_site()) > 15
    assert read_by_the_site() == documented()


@pytest.mark.parametrize("file", [".env.example", "docker-compose.yml", "Dockerfile"])
def test_a_deployment_file_names_only_variables_that_exist(file: str) -> None:
    deployment = (ROOT / "docs" / "deployment.md").read_text()
    assert set(NAME.findall((ROOT / file).read_text())) <= set(NAME.findall(deployment))


def test_the_image_is_not_root_and_takes_only_named_files() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    copied = {line.split()[1] for line in lines if line.startswith("COPY")}
    users = [line.split()[1] for line in lines if line.startswith("USER")]
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    assert users
    assert users[-1] not in ("root", "0")
    assert "*" in allowed
    assert copied == {line[1:] for line in allowed if line.startswith("!")}
    for path in copied:
        assert (ROOT / path).exists(), path


def test_what_must_stay_private_is_not_committed() -> None:
    ignored = Path(ROOT / ".gitignore").read_text().splitlines()
    assert {".env", "var/"} <= set(ignored)
