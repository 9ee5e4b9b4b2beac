"""The real image sets, where a copy lies beside the project."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from imagesets import load_mnist
from imagesets.pictures import png_bytes
from imagesets.sources import BESIDE_PROJECT, FolderSource
from imagesets.specs import get_spec
from imagesets.store import check, prepare

pytestmark = pytest.mark.skipif(
    not (BESIDE_PROJECT / "fashion-mnist").is_dir(), reason=f"no image files in {BESIDE_PROJECT}"
)
BOTH = pytest.mark.parametrize("slug", ["fashion-mnist", "mnist"])


@BOTH
def test_the_real_files_are_prepared_and_checked(tmp_path: Path, slug: str) -> None:
    spec = get_spec(slug)
    prepare(spec, tmp_path, sources=[FolderSource("folder", BESIDE_PROJECT / slug)])
    prepared = check(spec, tmp_path)
    assert prepared.train_images.shape == (60_000, 28, 28)
    assert np.bincount(prepared.test_labels).sum() == 10_000


def test_fashion_mnist_loads_as_its_own_reader_loads_it() -> None:
    for kind, count in (("train", 60_000), ("t10k", 10_000)):
        images, labels = load_mnist(BESIDE_PROJECT / "fashion-mnist", kind=kind)
        assert images.shape == (count, 784)
        assert labels.shape == (count,)
        assert images.dtype == labels.dtype == np.uint8
        assert np.bincount(labels).tolist() == [count // 10] * 10


def test_a_real_picture_takes_about_half_a_kilobyte() -> None:
    images, _ = load_mnist(BESIDE_PROJECT / "fashion-mnist", kind="t10k")
    sizes = [len(png_bytes(image.reshape(28, 28))) for image in images[:300]]
    assert np.mean(sizes) < 600
