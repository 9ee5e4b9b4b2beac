"""Where image sets come from: the order, the verification, and what is said when all fail."""

from __future__ import annotations

import errno
import gzip
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from imagesets.debian import DebianSource
from imagesets.idx import sha256_of_array, write_idx
from imagesets.mirrors import MirrorSource
from imagesets.sources import (
    DigitsSource,
    FolderSource,
    NoSourceError,
    Obtained,
    Source,
    default_sources,
    obtain,
)
from imagesets.specs import BUILT_IN, PARTS, ImageSetSpec, get_spec
from imagesets.verification import Progress
from tests.imagesets.small_sets import CountingSource, small_arrays, spec_of, write_files

ARRAYS = small_arrays()
SPEC = spec_of(ARRAYS)


def obtained_from(*sources: Source, workdir: Path) -> Obtained:
    return obtain(SPEC, sources, workdir, lambda step, share: None)


@pytest.mark.parametrize("packed", [True, False])
def test_a_folder_gives_its_files_compressed_or_not(tmp_path: Path, packed: bool) -> None:
    folder = write_files(tmp_path / "data", SPEC, ARRAYS, packed=packed)
    obtained = obtained_from(FolderSource("folder", folder), workdir=tmp_path / "work")
    assert set(obtained.files) == set(PARTS)
    assert obtained.source == f"folder {folder}"


def test_a_folder_with_the_names_that_some_copies_of_mnist_have_is_taken(tmp_path: Path) -> None:
    for part, array in ARRAYS.items():
        write_idx(tmp_path / SPEC.files[part].name.removesuffix(".gz").replace("-idx", ".idx"), array)
    obtained = obtained_from(FolderSource("folder", tmp_path), workdir=tmp_path / "work")
    assert obtained.files["test-labels"].name == "t10k-labels.idx1-ubyte"


def test_a_wrong_file_is_refused_with_both_digests_and_the_next_source_is_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = {**ARRAYS, "test-images": 255 - ARRAYS["test-images"]}
    bad = write_files(tmp_path / "bad", SPEC, wrong)
    good = write_files(tmp_path / "good", SPEC, ARRAYS)
    with caplog.at_level(logging.WARNING):
        obtained = obtained_from(FolderSource("A", bad), FolderSource("B", good), workdir=tmp_path / "work")
    assert obtained.source == f"B {good}"
    assert "t10k-images-idx3-ubyte.gz refused" in caplog.text
    assert f"expected SHA-256 {SPEC.files['test-images'].sha256}" in caplog.text
    assert f"found {sha256_of_array(wrong['test-images'])}" in caplog.text


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda packed: packed[: len(packed) // 2], "truncated: its gzip data ends early"),
        (lambda packed: packed[:-8] + b"abcd" + packed[-4:], "its gzip data is corrupt"),
        (lambda packed: gzip.decompress(packed)[:-5], "155 bytes instead of 160"),
        (lambda packed: gzip.compress(gzip.decompress(packed) + bytes(10**7)), "longer than the 160 bytes"),
        (lambda packed: b"", "0 bytes instead of 160"),
        (lambda packed: b"<html>Not found</html>", "22 bytes instead of 160"),
    ],
)
def test_a_damaged_file_is_refused_by_name_and_fault(
    tmp_path: Path, damage: Callable[[bytes], bytes], fault: str
) -> None:
    folder = write_files(tmp_path / "data", SPEC, ARRAYS)
    damaged = folder / SPEC.files["train-images"].name
    damaged.write_bytes(damage(damaged.read_bytes()))
    with pytest.raises(NoSourceError) as failure:
        obtained_from(FolderSource("folder", folder), workdir=tmp_path / "work")
    assert f"{damaged} refused: {fault}" in str(failure.value)
    assert f"expected SHA-256 {SPEC.files['train-images'].sha256}, found" in str(failure.value)


@dataclass
class FailingSource:
    name: str
    error: Exception

    def fetch(self, _spec: ImageSetSpec, _workdir: Path, _progress: Progress) -> Iterator[tuple[str, Path]]:
        yield from ()
        raise self.error


def test_when_all_sources_fail_each_is_listed_with_its_reason_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    sources = (
        FolderSource("A", tmp_path / "missing"),
        FolderSource("B", tmp_path / "empty"),
        FailingSource("C", PermissionError(13, "Permission denied")),
    )
    with pytest.raises(NoSourceError) as failure:
        obtained_from(*sources, workdir=tmp_path / "work")
    text = str(failure.value)
    assert "no source has small" in text
    assert f"(1) A {tmp_path / 'missing'}: there is no such folder" in text
    assert f"(2) B {tmp_path / 'empty'}: it has no t10k-labels-idx1-ubyte.gz" in text
    assert "(3) C: [Errno 13] Permission denied" in text
    assert "set HUMANMARK_DATA_DIR" in text
    assert "'digits'" in text
    assert "\n" not in text


def test_a_source_with_only_some_of_the_parts_is_no_source(tmp_path: Path) -> None:
    images_only = {part: array for part, array in ARRAYS.items() if part.endswith("images")}
    with pytest.raises(NoSourceError, match="it has no test-labels, train-labels"):
        obtained_from(CountingSource(images_only), workdir=tmp_path / "work")


def test_what_a_failed_source_fetched_is_removed(tmp_path: Path) -> None:
    wrong = CountingSource({**ARRAYS, "test-images": 255 - ARRAYS["test-images"]})
    obtained_from(wrong, CountingSource(ARRAYS), workdir=tmp_path / "work")
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["1"]


def test_a_full_disk_is_not_blamed_on_the_sources(tmp_path: Path) -> None:
    full = FailingSource("A", OSError(errno.ENOSPC, "No space left on device"))
    other = CountingSource(ARRAYS)
    with pytest.raises(OSError, match="No space left"):
        obtained_from(full, other, workdir=tmp_path / "work")
    assert not other.asked


def test_digits_need_nothing_from_outside(tmp_path: Path) -> None:
    spec = get_spec("digits")
    assert default_sources(spec, from_dir=tmp_path, data_dir=tmp_path) == [DigitsSource()]
    obtained = obtain(spec, [DigitsSource()], tmp_path / "work", lambda step, share: None)
    assert obtained.source.startswith("scikit-learn 1.")


def test_the_order_is_data_folder_then_beside_the_project_then_debian_then_mirrors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = tmp_path / "shared"
    beside.mkdir()
    monkeypatch.setattr("imagesets.sources.BESIDE_PROJECT", beside)
    names = [source.name for source in default_sources(get_spec("fashion-mnist"), data_dir=Path("/the/data"))]
    assert names == [
        "HUMANMARK_DATA_DIR /the/data/fashion-mnist",
        "HUMANMARK_DATA_DIR /the/data",
        f"folder beside the project {beside}/fashion-mnist",
        "installed Debian package dataset-fashion-mnist /usr/share/datasets/fashion-mnist",
        "Debian package dataset-fashion-mnist",
        "mirror http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "mirror https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ]


def test_without_a_folder_beside_the_project_and_a_package_only_the_mirrors_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagesets.sources.BESIDE_PROJECT", tmp_path / "missing")
    assert default_sources(get_spec("mnist")) == [
        MirrorSource("https://ossci-datasets.s3.amazonaws.com/mnist/")
    ]


def test_a_named_folder_is_the_only_source(tmp_path: Path) -> None:
    sources = default_sources(get_spec("mnist"), from_dir=tmp_path, data_dir=Path("/the/data"))
    assert sources == [FolderSource("folder", tmp_path), FolderSource("folder", tmp_path / "mnist")]


def test_only_fashion_mnist_has_a_debian_package_and_mirrors_end_in_a_slash() -> None:
    packages = {slug: spec.debian_package for slug, spec in BUILT_IN.items()}
    assert packages == {"fashion-mnist": "dataset-fashion-mnist", "mnist": None, "digits": None}
    assert all(url.endswith("/") for spec in BUILT_IN.values() for url in spec.mirrors)


def test_progress_runs_from_zero_to_one_for_every_file(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "data", SPEC, ARRAYS)
    seen: dict[str, list[float]] = {}
    obtain(
        SPEC,
        [FolderSource("folder", folder)],
        tmp_path / "work",
        lambda step, share: seen.setdefault(step, []).append(share),
    )
    assert set(seen) == {f"verifying {part}" for part in PARTS}
    assert all(shares[-1] == 1.0 and np.all(np.diff(shares) >= 0) for shares in seen.values())


def test_sources_are_compared_by_what_they_are() -> None:
    assert DebianSource("x") == DebianSource("x") != DebianSource("y")
