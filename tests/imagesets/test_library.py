"""The store through the settings, and the command that fills it."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from imagesets.library import ensure_imageset, open_imageset, prepare_imageset
from imagesets.specs import UnknownImageSetError
from imagesets.store import NotPreparedError
from tests.imagesets.small_sets import Arrays, small_arrays, spec_of, write_files

ARRAYS = small_arrays()
SPEC = spec_of(ARRAYS)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def data(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files of the only image set there is, and an empty store."""
    settings.HUMANMARK_IMAGESET_ROOT = tmp_path / "store"
    settings.HUMANMARK_DATA_DIR = tmp_path / "data"
    monkeypatch.setattr("imagesets.specs.BUILT_IN", {"small": SPEC})
    monkeypatch.setattr("imagesets.sources.BESIDE_PROJECT", tmp_path / "missing")
    return write_files(tmp_path / "data", SPEC, ARRAYS)


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., str]:
    def run(*arguments: str) -> str:
        out = io.StringIO()
        call_command("prepare_imageset", *arguments, stdout=out)
        return out.getvalue()

    return run


def test_a_set_is_opened_once_per_process() -> None:
    prepare_imageset("small")
    assert open_imageset("small") is open_imageset("small")


def test_a_set_that_is_missing_is_not_remembered_as_missing() -> None:
    with pytest.raises(NotPreparedError):
        open_imageset("small")
    prepare_imageset("small")
    assert len(open_imageset("small").test_labels) == 6


def test_ensure_prepares_what_is_missing_and_opens_what_is_there(tmp_path: Path, data: Path) -> None:
    first = ensure_imageset("small")
    data.rename(tmp_path / "gone")
    assert ensure_imageset("small") is first


def test_the_settings_say_where_the_store_is(tmp_path: Path) -> None:
    assert prepare_imageset("small").folder == tmp_path / "store" / "small"


def test_an_unknown_set_is_an_unknown_set() -> None:
    with pytest.raises(UnknownImageSetError):
        open_imageset("nonsense")


def test_the_command_says_what_is_ready_and_where_it_came_from(
    tmp_path: Path, data: Path, command: Callable[..., str]
) -> None:
    assert command("small") == (
        f"small is ready: 12 training and 6 test images, from HUMANMARK_DATA_DIR {data}, "
        f"in {tmp_path / 'store' / 'small'}\n"
    )


def test_the_command_takes_a_named_folder_even_when_the_set_is_there(
    tmp_path: Path, command: Callable[..., str]
) -> None:
    command("small")
    elsewhere = write_files(tmp_path / "elsewhere" / "small", SPEC, ARRAYS)
    assert f"from folder {elsewhere}" in command("small", "--from", str(tmp_path / "elsewhere"))


def test_a_bad_named_folder_is_an_error_and_leaves_the_set_that_is_there(
    tmp_path: Path, command: Callable[..., str]
) -> None:
    command("small")
    wrong: Arrays = {**ARRAYS, "train-labels": ARRAYS["train-labels"][::-1].copy()}
    bad = write_files(tmp_path / "bad", SPEC, wrong)
    with pytest.raises(CommandError, match=r"train-labels-idx1-ubyte\.gz refused") as failure:
        command("small", "--from", str(bad))
    assert "\n" not in str(failure.value)
    assert "is sound" in command("small", "--check")


def test_check_tells_sound_from_damaged_from_missing(command: Callable[..., str]) -> None:
    with pytest.raises(CommandError, match="not prepared yet"):
        command("small", "--check")
    command("small")
    assert "small is sound" in command("small", "--check")
    path = prepare_imageset("small").part_path("test-images")
    array = np.load(path)
    np.save(path, 255 - array)
    with pytest.raises(CommandError, match="is damaged"):
        command("small", "--check")


def test_check_and_a_folder_together_are_refused(tmp_path: Path, command: Callable[..., str]) -> None:
    with pytest.raises(CommandError, match="leave out --from"):
        command("small", "--check", "--from", str(tmp_path))


def test_an_unknown_slug_is_a_one_line_error(command: Callable[..., str]) -> None:
    with pytest.raises(CommandError, match="no image set 'nonsense'; there are: small"):
        command("nonsense")


@pytest.fixture
def _two_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    sets = {"small": SPEC, "twin": replace(SPEC, slug="twin")}
    monkeypatch.setattr("imagesets.specs.BUILT_IN", sets)
    monkeypatch.setattr("imagesets.management.commands.prepare_imageset.BUILT_IN", sets)


@pytest.mark.usefixtures("_two_sets")
def test_all_means_every_set(command: Callable[..., str]) -> None:
    assert [line.split()[0] for line in command("all").splitlines()] == ["small", "twin"]


@pytest.mark.usefixtures("_two_sets")
def test_all_tells_every_failure_in_one_line(data: Path, command: Callable[..., str]) -> None:
    shutil.rmtree(data)
    with pytest.raises(CommandError, match=r"no source has small\..* \| no source has twin\.") as failure:
        command("all")
    assert "\n" not in str(failure.value)


def test_a_terminal_sees_progress_and_a_file_only_the_result() -> None:
    terminal, file = Terminal(), io.StringIO()
    call_command("prepare_imageset", "small", stdout=terminal)
    call_command("prepare_imageset", "small", stdout=file)
    assert "[########################] 100% writing test-labels" in terminal.getvalue()
    assert terminal.getvalue().splitlines()[-1].startswith("small is ready")
    assert len(file.getvalue().splitlines()) == 1
