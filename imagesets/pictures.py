"""Images as PNG for pages, and which training images to show as examples of a class."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def png_bytes(image: NDArray[np.uint8]) -> bytes:
    """Return an image (h, w), (h, w, 1) or (h, w, 3), uint8, as a small PNG, grey or RGB.

    The file holds pixels only: no name, no time, no text, nothing that could tell an annotator more
    than the picture. Raises ValueError for another shape or type.
    """
    picture = Image.fromarray(_displayable(image))
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def data_uri(image: NDArray[np.uint8]) -> str:
    """Return an image as a `data:` address, which a page can hold without another request."""
    return "data:image/png;base64," + base64.b64encode(png_bytes(image)).decode("ascii")


def sprite_png(images: NDArray[np.uint8], columns: int) -> bytes:
    """Return images (n, h, w) or (n, h, w, c) side by side in one PNG, row by row.

    The picture has `columns` images across and as many rows as needed; places left over are black.
    Raises ValueError for no images or no columns.
    """
    if columns < 1 or not len(images):
        raise ValueError(f"a sprite needs at least one image and one column, not {len(images)} and {columns}")
    count, height, width, *channels = images.shape
    rows = -(-count // columns)
    sheet = np.zeros((rows * columns, height, width, *channels), dtype=np.uint8)
    sheet[:count] = images
    grid = sheet.reshape(rows, columns, height, width, *channels).swapaxes(1, 2)
    return png_bytes(grid.reshape(rows * height, columns * width, *channels))


def class_examples(
    labels: NDArray[np.integer], n_classes: int, per_class: int, seed: int
) -> NDArray[np.int64]:
    """Return indices (n_classes, per_class) into `labels` (n,): random members of each class, none twice.

    The same seed gives the same examples; a larger `per_class` keeps those of a smaller one. Raises
    ValueError where a class has too few members.
    """
    examples = np.empty((n_classes, per_class), dtype=np.int64)
    for label in range(n_classes):
        members = np.flatnonzero(labels == label)
        if len(members) < per_class:
            raise ValueError(f"class {label} has {len(members)} images; {per_class} were asked for")
        examples[label] = np.random.default_rng([seed, label]).permutation(members)[:per_class]
    return examples


def _displayable(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if image.dtype != np.uint8:
        raise ValueError(f"an image has uint8 values, not {image.dtype}")
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
        raise ValueError(f"an image has shape (h, w), (h, w, 1) or (h, w, 3), not {image.shape}")
    return np.ascontiguousarray(image)
