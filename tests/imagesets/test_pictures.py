"""Pictures for pages: exact, small, silent about everything but pixels."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from imagesets.pictures import class_examples, data_uri, png_bytes, sprite_png

LABELS = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0], dtype=np.uint8)


def pixels(png: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(png)))


def chunk_names(png: bytes) -> list[bytes]:
    names, at = [], 8
    while at < len(png):
        names.append(png[at + 4 : at + 8])
        at += 12 + int.from_bytes(png[at : at + 4], "big")
    return names


@given(image=arrays(np.uint8, (7, 5)))
def test_a_grey_picture_shows_exactly_the_image(image: NDArray[np.uint8]) -> None:
    assert np.array_equal(pixels(png_bytes(image)), image)


@given(image=arrays(np.uint8, (4, 6, 3)))
def test_a_colour_picture_shows_exactly_the_image(image: NDArray[np.uint8]) -> None:
    assert np.array_equal(pixels(png_bytes(image)), image)


def test_an_image_with_one_channel_is_grey() -> None:
    image = np.arange(20, dtype=np.uint8).reshape(4, 5, 1)
    assert np.array_equal(pixels(png_bytes(image)), image[:, :, 0])


def test_a_piece_of_a_read_only_array_can_be_shown() -> None:
    images = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    images.setflags(write=False)
    assert np.array_equal(pixels(png_bytes(images[1][::-1, ::2])), images[1][::-1, ::2])


def test_a_picture_carries_no_metadata() -> None:
    assert set(chunk_names(png_bytes(np.zeros((28, 28), dtype=np.uint8)))) == {b"IHDR", b"IDAT", b"IEND"}


def test_a_picture_of_noise_is_hardly_larger_than_its_pixels() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8)
    assert len(png_bytes(noise)) < 28 * 28 + 100
    assert len(png_bytes(np.zeros((28, 28), dtype=np.uint8))) < 100


@pytest.mark.parametrize(
    ("image", "fault"),
    [
        (np.zeros((4, 4)), "not float64"),
        (np.zeros(4, dtype=np.uint8), r"not \(4,\)"),
        (np.zeros((4, 4, 2), dtype=np.uint8), r"not \(4, 4, 2\)"),
        (np.zeros((4, 4, 4), dtype=np.uint8), r"not \(4, 4, 4\)"),
    ],
)
def test_what_is_no_picture_is_refused(image: NDArray[np.uint8], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        png_bytes(image)


def test_a_data_address_holds_the_same_picture() -> None:
    image = np.arange(16, dtype=np.uint8).reshape(4, 4)
    start, packed = data_uri(image).split(",")
    assert start == "data:image/png;base64"
    assert base64.b64decode(packed) == png_bytes(image)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 3)])
def test_a_sprite_lays_images_row_by_row_and_leaves_the_rest_black(shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(1, 256, (5, *shape), dtype=np.uint8)
    sheet = pixels(sprite_png(images, columns=3))
    assert sheet.shape == (4, 9, *shape[2:])
    for number, image in enumerate(images):
        top, left = 2 * (number // 3), 3 * (number % 3)
        assert np.array_equal(sheet[top : top + 2, left : left + 3], image)
    assert not sheet[2:, 6:].any()


def test_a_sprite_needs_images_and_columns() -> None:
    images = np.zeros((2, 3, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="at least one"):
        sprite_png(images, columns=0)
    with pytest.raises(ValueError, match="at least one"):
        sprite_png(images[:0], columns=2)


def test_examples_are_different_members_of_their_class() -> None:
    examples = class_examples(LABELS, n_classes=3, per_class=3, seed=1)
    assert examples.shape == (3, 3)
    for label, members in enumerate(examples):
        assert (LABELS[members] == label).all()
        assert len(set(members.tolist())) == 3


def test_the_same_seed_gives_the_same_examples_and_another_seed_others() -> None:
    labels = np.repeat(np.arange(3, dtype=np.uint8), 100)
    examples = class_examples(labels, 3, 5, seed=1)
    assert np.array_equal(examples, class_examples(labels, 3, 5, seed=1))
    assert not np.array_equal(examples, class_examples(labels, 3, 5, seed=2))


def test_asking_for_more_examples_keeps_the_ones_that_were_shown() -> None:
    few, many = class_examples(LABELS, 3, 1, seed=4), class_examples(LABELS, 3, 3, seed=4)
    assert np.array_equal(many[:, :1], few)


def test_a_class_with_too_few_images_is_named() -> None:
    with pytest.raises(ValueError, match="class 3 has 0 images; 1 were asked for"):
        class_examples(LABELS, 4, 1, seed=1)
