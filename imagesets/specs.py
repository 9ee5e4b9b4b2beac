"""What an image set is, and the built-in ones.

A spec pins the SHA-256 of each uncompressed IDX file, so that every source of a set is as good as any
other and a result says exactly which images it was measured on.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

PARTS = ("train-images", "train-labels", "test-images", "test-labels")


class ImageSetError(Exception):
    """Something about an image set that a person can mend; the message says what and how, on one line."""


class UnknownImageSetError(ImageSetError, LookupError):
    """No image set has this slug. The message lists those that exist."""


class PartFile(NamedTuple):
    """One of the four files: its usual name and the SHA-256 (hex) of its uncompressed bytes."""

    name: str
    sha256: str


@dataclass(frozen=True)
class ImageSetSpec:
    """An image set: `image_shape` is (h, w) or (h, w, c) in pixels; label i means `class_names[i]`."""

    slug: str
    title: str
    class_names: tuple[str, ...]
    image_shape: tuple[int, ...]
    n_train: int
    n_test: int
    files: Mapping[str, PartFile] = field(hash=False)
    mirrors: tuple[str, ...] = ()
    debian_package: str | None = None
    licence: str = ""
    citation: str = ""
    homepage: str = ""

    def __post_init__(self) -> None:
        if set(self.files) != set(PARTS):
            raise ValueError(f"{self.slug}: the files must be exactly {', '.join(PARTS)}")

    @property
    def n_classes(self) -> int:
        return len(self.class_names)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over the four file digests, in the order of PARTS, one per line.

        Stored with every result. Titles and class names may be reworded without changing it.
        """
        lines = "".join(f"{self.files[part].sha256}\n" for part in PARTS)
        return hashlib.sha256(lines.encode("ascii")).hexdigest()

    def part_shape(self, part: str) -> tuple[int, ...]:
        """Return the array shape of a part: (n,) for labels, (n, h, w) or (n, h, w, c) for images."""
        count = self.n_train if part.startswith("train") else self.n_test
        return (count,) if part.endswith("labels") else (count, *self.image_shape)

    def part_bytes(self, part: str) -> int:
        """Return the size in bytes of a part's uncompressed IDX file, header included."""
        shape = self.part_shape(part)
        return 4 + 4 * len(shape) + math.prod(shape)


def get_spec(slug: str) -> ImageSetSpec:
    """Return the image set of this slug. Raises UnknownImageSetError, which lists those that exist."""
    try:
        return BUILT_IN[slug]
    except KeyError:
        known = ", ".join(sorted(BUILT_IN))
        raise UnknownImageSetError(f"there is no image set {slug!r}; there are: {known}") from None


def _files(
    train_images: str, train_labels: str, test_images: str, test_labels: str
) -> Mapping[str, PartFile]:
    """Pair four digests with the names that MNIST gave such files ("t10k" is its word for test)."""
    return MappingProxyType(
        {
            "train-images": PartFile("train-images-idx3-ubyte.gz", train_images),
            "train-labels": PartFile("train-labels-idx1-ubyte.gz", train_labels),
            "test-images": PartFile("t10k-images-idx3-ubyte.gz", test_images),
            "test-labels": PartFile("t10k-labels-idx1-ubyte.gz", test_labels),
        }
    )


_DIGIT_NAMES = tuple("0123456789")

_FASHION_MNIST = ImageSetSpec(
    slug="fashion-mnist",
    title="Fashion-MNIST",
    class_names=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    image_shape=(28, 28),
    n_train=60_000,
    n_test=10_000,
    files=_files(
        train_images="c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        train_labels="bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        test_images="5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        test_labels="0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ),
    debian_package="dataset-fashion-mnist",
    licence="MIT",
    citation=(
        "Han Xiao, Kashif Rasul, Roland Vollgraf: Fashion-MNIST: a Novel Image Dataset for Benchmarking "
        "Machine Learning Algorithms. arXiv:1708.07747 (2017)"
    ),
    homepage="https://github.com/zalandoresearch/fashion-mnist",
)

_MNIST = ImageSetSpec(
    slug="mnist",
    title="MNIST",
    class_names=_DIGIT_NAMES,
    image_shape=(28, 28),
    n_train=60_000,
    n_test=10_000,
    files=_files(
        train_images="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        train_labels="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        test_images="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        test_labels="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    mirrors=("https://ossci-datasets.s3.amazonaws.com/mnist/",),
    licence="CC BY-SA 3.0",
    citation=(
        "Yann LeCun, Léon Bottou, Yoshua Bengio, Patrick Haffner: Gradient-Based Learning Applied to "
        "Document Recognition. Proceedings of the IEEE 86(11), 2278-2324 (1998)"
    ),
    homepage="http://yann.lecun.com/exdb/mnist/",
)

# How scikit-learn's digits become these files is told in imagesets/digits.py.
_DIGITS = ImageSetSpec(
    slug="digits",
    title="Digits (8x8)",
    class_names=_DIGIT_NAMES,
    image_shape=(8, 8),
    n_train=1197,
    n_test=600,
    files=_files(
        train_images="cdbe8107b9f51a4ab73c369d8faef8267614d1af343023716a69bf5a0958fa67",
        train_labels="2604efc4e1f571b57d84e7ade4f66d48c371dee52d9612a0ce4ed7f661bd2c13",
        test_images="b8f8febbca27b2ffda1e58c474c4a18ca6cfb6e44a3bb4798fbfe0c174d0dcf2",
        test_labels="2e40f4354a68959b44ba9f17e4f6351b8136171ffbcb1198960cbd6d2bc70ea1",
    ),
    licence="CC BY 4.0",
    citation=(
        "Ethem Alpaydin, Cenk Kaynak: Optical Recognition of Handwritten Digits. "
        "UCI Machine Learning Repository (1998), doi:10.24432/C50P49"
    ),
    homepage="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
)

BUILT_IN: Mapping[str, ImageSetSpec] = MappingProxyType(
    {spec.slug: spec for spec in (_FASHION_MNIST, _MNIST, _DIGITS)}
)
