"""The store: whole or not at all, read-only, safe against kills, full disks and other processes."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from imagesets.specs import PARTS, ImageSetError, ImageSetSpec
from imagesets.store import (
    DamagedSetError,
    NotPreparedError,
    PreparedSet,
    StoreError,
    check,
    open_prepared,
    prepare,
)
from imagesets.verification import Progress
from tests.imagesets.small_sets import Arrays, CountingSource, small_arrays, spec_of, write_files

ARRAYS = small_arrays()
SPEC = spec_of(ARRAYS)


def prepared_in(root: Path) -> PreparedSet:
    return prepare(SPEC, root, sources=[CountingSource(ARRAYS)])


def visible(root: Path) -> list[str]:
    """Names under a store, its lock aside."""
    return sorted(path.name for path in root.iterdir() if path.suffix != ".lock")


@pytest.mark.parametrize("shape", [(4, 3), (5, 2, 3)])
def test_a_prepared_set_holds_the_sources_arrays(tmp_path: Path, shape: tuple[int, ...]) -> None:
    arrays = small_arrays(shape)
    prepared = prepare(spec_of(arrays), tmp_path, sources=[CountingSource(arrays)])
    assert prepared.source == "counting source"
    for part in PARTS:
        assert np.array_equal(prepared.part(part), arrays[part])
        assert np.array_equal(np.load(prepared.part_path(part)), arrays[part])


def test_a_prepared_set_is_memory_mapped_and_cannot_be_written_to(tmp_path: Path) -> None:
    prepared = prepared_in(tmp_path)
    assert isinstance(prepared.train_images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        prepared.test_labels[0] = 1


def test_the_manifest_says_what_came_from_where_and_when(tmp_path: Path) -> None:
    prepared = prepared_in(tmp_path)
    manifest = json.loads((prepared.folder / "manifest.json").read_text())
    assert manifest["digest"] == SPEC.digest == prepared.digest
    assert manifest["source"] == "counting source"
    assert manifest["prepared_at"].endswith("+00:00")
    assert manifest["parts"]["train-images"] == {
        "file": "train-images.npy",
        "shape": [12, 4, 3],
        "idx_sha256": SPEC.files["train-images"].sha256,
    }


def test_nothing_but_the_set_and_its_lock_is_left_behind(tmp_path: Path) -> None:
    prepared = prepared_in(tmp_path)
    assert visible(tmp_path) == ["small"]
    assert visible(prepared.folder) == sorted([f"{part}.npy" for part in PARTS] + ["manifest.json"])


def test_a_set_that_is_not_there_names_the_command_that_prepares_it(tmp_path: Path) -> None:
    with pytest.raises(
        NotPreparedError, match=r"not prepared yet; run: python manage\.py prepare_imageset small"
    ):
        open_prepared(SPEC, tmp_path)


def test_an_unknown_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no part 'validation'"):
        prepared_in(tmp_path).part_path("validation")


def test_preparing_again_asks_no_source_unless_forced(tmp_path: Path) -> None:
    prepared_in(tmp_path)
    source = CountingSource(ARRAYS)
    prepare(SPEC, tmp_path, sources=[source])
    assert not source.asked
    prepare(SPEC, tmp_path, sources=[source], force=True)
    assert len(source.asked) == 1


def test_a_set_of_another_version_is_not_opened_but_prepared_anew(tmp_path: Path) -> None:
    prepared_in(tmp_path)
    changed = {**ARRAYS, "test-labels": ARRAYS["test-labels"][::-1].copy()}
    spec = spec_of(changed)
    with pytest.raises(NotPreparedError, match="another version"):
        open_prepared(spec, tmp_path)
    prepared = prepare(spec, tmp_path, sources=[CountingSource(changed)])
    assert np.array_equal(prepared.test_labels, changed["test-labels"])


def flip_last_byte(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_check_accepts_a_sound_set_and_names_a_damaged_file(tmp_path: Path) -> None:
    prepared = prepared_in(tmp_path)
    shares: list[float] = []
    check(SPEC, tmp_path, lambda step, share: shares.append(share))
    assert shares == [0.0, 0.25, 0.5, 0.75, 1.0]
    flip_last_byte(prepared.part_path("test-images"))
    with pytest.raises(DamagedSetError) as damage:
        check(SPEC, tmp_path)
    assert "test-images.npy is damaged: expected SHA-256" in str(damage.value)
    assert "prepare_imageset small" in str(damage.value)


DAMAGES: list[Callable[[Path], object]] = [
    lambda folder: flip_last_byte(folder / "train-images.npy"),
    lambda folder: (folder / "train-images.npy").write_bytes(b""),
    lambda folder: (folder / "train-images.npy").write_bytes(
        (folder / "train-images.npy").read_bytes()[:200]
    ),
    lambda folder: (folder / "test-labels.npy").unlink(),
    lambda folder: np.save(folder / "test-labels.npy", np.zeros(6)),
    lambda folder: np.save(folder / "test-labels.npy", np.zeros(5, dtype=np.uint8)),
    lambda folder: (folder / "manifest.json").unlink(),
    lambda folder: (folder / "manifest.json").write_text("{"),
    lambda folder: (folder / "manifest.json").write_text("[]"),
    lambda folder: (folder / "manifest.json").write_text("{}"),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_preparing_mends_any_damage(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    damage(prepared_in(tmp_path).folder)
    with pytest.raises(ImageSetError, match="prepare_imageset small"):
        check(SPEC, tmp_path)
    source = CountingSource(ARRAYS)
    prepare(SPEC, tmp_path, sources=[source])
    assert len(source.asked) == 1
    check(SPEC, tmp_path)
    assert visible(tmp_path) == ["small"]


def test_a_reader_keeps_its_images_while_the_set_is_prepared_again(tmp_path: Path) -> None:
    before = prepared_in(tmp_path)
    prepare(SPEC, tmp_path, sources=[CountingSource(ARRAYS)], force=True)
    assert np.array_equal(before.train_images, ARRAYS["train-images"])


CONTRADICTIONS: list[tuple[Callable[[Arrays], Arrays], str]] = [
    (
        lambda arrays: {**arrays, "train-labels": arrays["train-labels"][:-1]},
        "12 train images, but 11 train labels",
    ),
    (
        lambda arrays: {**arrays, "test-labels": arrays["test-labels"] + np.uint8(1)},
        "test-labels has label 3, but the classes end at 2",
    ),
    (
        lambda arrays: {**arrays, "test-images": arrays["test-images"].reshape(6, 3, 4)},
        r"test-images has shape \(6, 3, 4\), not \(6, 4, 3\)",
    ),
]


@pytest.mark.parametrize(("change", "fault"), CONTRADICTIONS)
def test_files_that_contradict_each_other_or_the_spec_are_refused(
    tmp_path: Path, change: Callable[[Arrays], Arrays], fault: str
) -> None:
    arrays = change(ARRAYS)
    with pytest.raises(ImageSetError, match=fault):
        prepare(spec_of(arrays), tmp_path, sources=[CountingSource(arrays)])
    assert visible(tmp_path) == []


def test_a_failed_source_leaves_nothing(tmp_path: Path) -> None:
    wrong = {**ARRAYS, "train-images": ARRAYS["train-images"][::-1].copy()}
    with pytest.raises(ImageSetError, match=r"train-images-idx3-ubyte\.gz refused"):
        prepare(SPEC, tmp_path, sources=[CountingSource(wrong)])
    assert visible(tmp_path) == []


def test_a_failed_repeat_leaves_the_set_that_was_there(tmp_path: Path) -> None:
    prepared_in(tmp_path)
    with pytest.raises(ImageSetError, match="no source has small"):
        prepare(SPEC, tmp_path, sources=[], force=True)
    check(SPEC, tmp_path)


@pytest.fixture
def _tiny_files_only() -> Iterator[None]:
    """Let the kernel refuse to write beyond 250 bytes, as a full disk would in the middle of a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (250, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("_tiny_files_only")
def test_a_full_disk_leaves_nothing_and_says_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot write small to .*Nothing was left half-written"):
        prepared_in(tmp_path)
    assert visible(tmp_path) == []


def test_a_place_that_cannot_be_written_to_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write small to .*Not a directory") as refusal:
        prepared_in(tmp_path / "file" / "store")
    assert "\n" not in str(refusal.value)


@dataclass
class KillingSource:
    """A source that dies as a process does when the machine runs out of memory: in the middle."""

    arrays: Arrays
    name: str = "killing source"

    def fetch(self, spec: ImageSetSpec, workdir: Path, progress: Progress) -> Iterator[tuple[str, Path]]:
        yield from list(CountingSource(self.arrays).fetch(spec, workdir, progress))[:2]
        os.kill(os.getpid(), signal.SIGKILL)


def prepare_and_die(root: Path) -> None:
    prepare(SPEC, root, sources=[KillingSource(ARRAYS)])


def test_what_a_killed_process_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=prepare_and_die, args=(tmp_path,))
    process.start()
    process.join(20)
    assert process.exitcode == -signal.SIGKILL
    assert [name for name in visible(tmp_path) if name.endswith(".partial")]
    with pytest.raises(NotPreparedError):
        open_prepared(SPEC, tmp_path)
    prepared_in(tmp_path)
    assert visible(tmp_path) == ["small"]


def test_of_several_that_prepare_at_once_one_works_and_the_others_wait(tmp_path: Path) -> None:
    source = CountingSource(ARRAYS)
    start = threading.Barrier(4)
    results: list[PreparedSet] = []

    def work() -> None:
        start.wait()
        results.append(prepare(SPEC, tmp_path, sources=[source]))

    # Threads show what processes do: the lock belongs to the opened file, not to the process.
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(source.asked) == 1
    assert len(results) == 4
    assert visible(tmp_path) == ["small"]


def test_who_waits_for_another_process_is_told_so(tmp_path: Path) -> None:
    steps: list[str] = []
    waiting = threading.Event()

    def note(step: str, _share: float) -> None:
        steps.append(step)
        if step.startswith("waiting"):
            waiting.set()

    other = threading.Thread(
        target=prepare, args=(SPEC, tmp_path), kwargs={"sources": [CountingSource(ARRAYS)], "progress": note}
    )

    @dataclass
    class SlowSource(CountingSource):
        def fetch(self, spec: ImageSetSpec, workdir: Path, progress: Progress) -> Iterator[tuple[str, Path]]:
            other.start()
            assert waiting.wait(10)
            yield from super().fetch(spec, workdir, progress)

    prepare(SPEC, tmp_path, sources=[SlowSource(ARRAYS)])
    other.join()
    assert steps[0] == "waiting for another process that prepares small"


def test_two_sets_do_not_wait_for_each_other_nor_share_anything(tmp_path: Path) -> None:
    prepared_in(tmp_path)
    other = replace(SPEC, slug="small.other")
    prepare(other, tmp_path, sources=[CountingSource(ARRAYS)])
    assert visible(tmp_path) == ["small", "small.other"]


def test_a_prepared_set_can_be_moved_with_its_folder(tmp_path: Path) -> None:
    write_files(tmp_path / "unused", SPEC, ARRAYS)
    prepared_in(tmp_path / "here")
    shutil.move(tmp_path / "here", tmp_path / "there")
    check(SPEC, tmp_path / "there")
