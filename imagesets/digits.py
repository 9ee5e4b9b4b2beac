"""The `digits` image set, made from scikit-learn's own copy, so that it needs nothing from outside.

scikit-learn ships the 1,797 test images of UCI's handwritten digits: 8x8 pixels with values 0 to 16.
Two choices are ours, and the digests in the spec pin them:

- pixels are spread over 0..255 (value * 255 / 16, rounded), so that they look right as pictures and
  models see the range they see elsewhere; the 17 levels stay apart, nothing is lost;
- 60 images of each class are the test split (600), the other 1,197 the training split, both in
  the order of the source. An image's lot is a SHA-256 of the seed and its number, because random
  number generators may change between library versions and this split must not. The source does not
  say who wrote which digit, so the same hands appear in both splits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

SEED = 1797
TEST_PER_CLASS = 60


def make_digits() -> Mapping[str, NDArray[np.uint8]]:
    """Return the four parts: images (n, 8, 8) and labels (n,), uint8."""
    # Imported here: scikit-learn takes most of a second, and only preparing this one set needs it.
    from sklearn.datasets import load_digits

    source = load_digits()
    images = np.rint(source.images * (255 / 16)).astype(np.uint8)
    labels = source.target.astype(np.uint8)
    is_test = _test_split(labels)
    return {
        "train-images": images[~is_test],
        "train-labels": labels[~is_test],
        "test-images": images[is_test],
        "test-labels": labels[is_test],
    }


def _test_split(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which images are test images: of each class the TEST_PER_CLASS with the lowest lots."""
    is_test = np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels):
        members = sorted(np.flatnonzero(labels == label).tolist(), key=_lot)
        is_test[members[:TEST_PER_CLASS]] = True
    return is_test


def _lot(index: int) -> bytes:
    return hashlib.sha256(f"{SEED}:{index}".encode("ascii")).digest()
