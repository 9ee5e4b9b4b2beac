"""Image sets small enough to write in every test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imagesets.idx import sha256_of_array, write_idx
from imagesets.specs import PARTS, ImageSetSpec, PartFile
from imagesets.verification import Progress

Arrays = Mapping[str, NDArray[np.uint8]]


def small_arrays(shape: tuple[int, ...] = (4, 3), n_train: int = 12, n_test: int = 6) -> Arrays:
    random = np.random.default_rng(7)
    return {
        "train-images": random.integers(0, 256, (n_train, *shape), dtype=np.uint8),
        "train-labels": (np.arange(n_train) % 3).astype(np.uint8),
        "test-images": random.integers(0, 256, (n_test, *shape), dtype=np.uint8),
        "test-labels": (np.arange(n_test) % 3).astype(np.uint8),
    }


def spec_of(arrays: Arrays) -> ImageSetSpec:
    """Return a spec that pins these arrays, with three classes."""
    names = [
        f"{split}-{kind}-ubyte" for split in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
    ]
    return ImageSetSpec(
        slug="small",
        title="Small",
        class_names=("a", "b", "c"),
        image_shape=arrays["train-images"].shape[1:],
        n_train=len(arrays["train-images"]),
        n_test=len(arrays["test-images"]),
        files={
            part: PartFile(f"{name}.gz", sha256_of_array(arrays[part]))
            for part, name in zip(PARTS, names, strict=True)
        },
    )


def write_files(folder: Path, spec: ImageSetSpec, arrays: Arrays, *, packed: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for part, array in arrays.items():
        name = spec.files[part].name
        write_idx(folder / (name if packed else name.removesuffix(".gz")), array)
    return folder


def with_sha256(spec: ImageSetSpec, part: str, sha256: str) -> ImageSetSpec:
    return replace(spec, files={**spec.files, part: PartFile(spec.files[part].name, sha256)})


@dataclass
class CountingSource:
    """A source that writes the arrays' files itself and counts how often it was asked."""

    arrays: Arrays
    name: str = "counting source"
    asked: list[Path] = field(default_factory=list)

    def fetch(self, spec: ImageSetSpec, workdir: Path, _progress: Progress) -> Iterator[tuple[str, Path]]:
        self.asked.append(workdir)
        for part, array in self.arrays.items():
            path = workdir / spec.files[part].name
            write_idx(path, array)
            yield part, path
