"""`load_mnist`: existing scripts swap the import and see no difference."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from imagesets import load_mnist
from imagesets.idx import IdxError, write_idx
from tests.imagesets.small_sets import small_arrays, spec_of, write_files

ARRAYS = small_arrays()
SPEC = spec_of(ARRAYS)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(("kind", "split"), [("train", "train"), ("t10k", "test")])
def test_images_come_flat_and_labels_beside_them(tmp_path: Path, packed: bool, kind: str, split: str) -> None:
    folder = write_files(tmp_path, SPEC, ARRAYS, packed=packed)
    images, labels = load_mnist(str(folder), kind=kind)
    expected = ARRAYS[f"{split}-images"]
    assert np.array_equal(images, expected.reshape(len(expected), 12))
    assert np.array_equal(labels, ARRAYS[f"{split}-labels"])
    assert images.dtype == labels.dtype == np.uint8


def test_the_training_images_are_what_is_loaded_when_nothing_else_is_said(tmp_path: Path) -> None:
    images, _ = load_mnist(write_files(tmp_path, SPEC, ARRAYS))
    assert images.shape == (12, 12)


def test_colour_images_come_flat_too(tmp_path: Path) -> None:
    write_idx(tmp_path / "train-images-idx4-ubyte.gz", np.zeros((5, 4, 3, 3), dtype=np.uint8))
    write_idx(tmp_path / "train-labels-idx1-ubyte.gz", np.zeros(5, dtype=np.uint8))
    assert load_mnist(tmp_path)[0].shape == (5, 36)


def test_a_set_without_images_has_still_its_width(tmp_path: Path) -> None:
    write_idx(tmp_path / "train-images-idx3-ubyte", np.zeros((0, 4, 3), dtype=np.uint8))
    write_idx(tmp_path / "train-labels-idx1-ubyte", np.zeros(0, dtype=np.uint8))
    assert load_mnist(tmp_path)[0].shape == (0, 12)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"t10k-labels-idx1-ubyte\.gz nor t10k-labels-idx1-ubyte"):
        load_mnist(tmp_path, kind="t10k")


def test_images_and_labels_of_different_number_are_refused(tmp_path: Path) -> None:
    write_files(tmp_path, SPEC, {**ARRAYS, "train-labels": ARRAYS["train-labels"][:-2]})
    with pytest.raises(IdxError, match="12 images, but 10 labels"):
        load_mnist(tmp_path)


def test_labels_that_are_not_a_list_are_refused(tmp_path: Path) -> None:
    write_files(tmp_path, SPEC, {**ARRAYS, "train-labels": ARRAYS["train-images"]})
    with pytest.raises(IdxError, match="labels have one dimension, not 3"):
        load_mnist(tmp_path)


def test_a_script_that_loads_images_does_not_load_django_or_scikit_learn() -> None:
    script = "import sys; from imagesets import load_mnist; print({'django', 'sklearn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
