"""The built-in image sets and what a spec promises."""

from __future__ import annotations

import hashlib
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from imagesets.digits import make_digits
from imagesets.idx import sha256_of_array
from imagesets.specs import BUILT_IN, PARTS, UnknownImageSetError, get_spec
from tests.imagesets.small_sets import small_arrays, spec_of, with_sha256


def test_the_built_in_sets_are_fashion_mnist_mnist_and_digits() -> None:
    assert set(BUILT_IN) == {"fashion-mnist", "mnist", "digits"}
    for slug, spec in BUILT_IN.items():
        assert spec.slug == slug
        assert spec.n_classes == 10
        assert all(len(file.sha256) == 64 for file in spec.files.values())
        assert spec.licence
        assert spec.citation
        assert spec.homepage


def test_an_unknown_slug_is_told_which_sets_exist() -> None:
    with pytest.raises(
        UnknownImageSetError, match="no image set 'cifar'; there are: digits, fashion-mnist, mnist"
    ):
        get_spec("cifar")


def test_the_set_digest_is_the_sha256_of_the_four_file_digests_one_per_line() -> None:
    spec = get_spec("fashion-mnist")
    lines = "".join(spec.files[part].sha256 + "\n" for part in PARTS)
    assert spec.digest == hashlib.sha256(lines.encode()).hexdigest()


@pytest.mark.parametrize("part", PARTS)
def test_the_set_digest_changes_with_each_file_and_not_with_the_title(part: str) -> None:
    spec = spec_of(small_arrays())
    assert with_sha256(spec, part, "0" * 64).digest != spec.digest
    assert replace(spec, title="Renamed").digest == spec.digest


def test_the_digests_of_the_built_in_sets_never_change_by_accident() -> None:
    assert {slug: spec.digest[:16] for slug, spec in BUILT_IN.items()} == {
        "fashion-mnist": "7b0688d0999122d6",
        "mnist": "ac89dbc26b7b0b5f",
        "digits": "565fc39fa66184cd",
    }


def test_a_part_has_a_shape_and_a_size_on_disk() -> None:
    spec = get_spec("fashion-mnist")
    assert spec.part_shape("train-images") == (60_000, 28, 28)
    assert spec.part_shape("test-labels") == (10_000,)
    assert spec.part_bytes("train-images") == 47_040_016
    assert spec.part_bytes("test-labels") == 10_008


def test_a_spec_can_be_neither_changed_nor_made_without_all_four_files() -> None:
    spec = spec_of(small_arrays())
    with pytest.raises(FrozenInstanceError):
        spec.title = "other"  # type: ignore[misc]
    with pytest.raises(ValueError, match="exactly"):
        replace(spec, files={"train-images": spec.files["train-images"]})
    assert hash(spec) == hash(replace(spec))


def test_digits_are_what_their_spec_pins() -> None:
    spec = get_spec("digits")
    for part, array in make_digits().items():
        assert array.dtype == np.uint8
        assert array.shape == spec.part_shape(part)
        assert sha256_of_array(array) == spec.files[part].sha256


def test_digits_use_the_whole_grey_range_and_keep_all_17_levels() -> None:
    levels = np.unique(make_digits()["train-images"])
    assert len(levels) == 17
    assert (levels[0], levels[-1]) == (0, 255)


def test_digits_are_split_by_class_into_60_test_images_each_and_the_rest() -> None:
    digits = make_digits()
    assert np.bincount(digits["test-labels"]).tolist() == [60] * 10
    assert len(digits["train-labels"]) + len(digits["test-labels"]) == 1797
