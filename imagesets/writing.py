"""From verified IDX files to the .npy files of the store, streamed: no split is held in memory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from imagesets.idx import open_idx, read_idx
from imagesets.specs import PARTS, ImageSetError, ImageSetSpec
from imagesets.verification import Progress


class ContradictionError(ImageSetError):
    """An image set's files contradict each other or their spec."""


def write_prepared(
    spec: ImageSetSpec, files: Mapping[str, Path], folder: Path, progress: Progress
) -> dict[str, tuple[int, ...]]:
    """Write <part>.npy (uint8) for the four parts into `folder` and return their shapes.

    Raises ContradictionError where images and labels differ in number, shapes are not the spec's, or a
    label has no class name.
    """
    shapes = {part: _convert(part, files[part], folder / f"{part}.npy", progress) for part in PARTS}
    for split in ("train", "test"):
        images, labels = f"{split}-images", f"{split}-labels"
        if shapes[images][0] != shapes[labels][0]:
            raise ContradictionError(
                f"{spec.slug}: {shapes[images][0]:,} {split} images, but {shapes[labels][0]:,} {split} labels"
            )
        _check_labels(spec, labels, files[labels])
    for part, shape in shapes.items():
        if shape != spec.part_shape(part):
            raise ContradictionError(f"{spec.slug}: {part} has shape {shape}, not {spec.part_shape(part)}")
    return shapes


def _check_labels(spec: ImageSetSpec, part: str, path: Path) -> None:
    highest = int(read_idx(path).max(initial=0))
    if highest >= spec.n_classes:
        raise ContradictionError(
            f"{spec.slug}: {part} has label {highest}, but the classes end at {spec.n_classes - 1}"
        )


def _convert(part: str, source: Path, target: Path, progress: Progress) -> tuple[int, ...]:
    """Write one part. Plain writes, not a writable map: on a full disk a map kills the process (SIGBUS)."""
    with open_idx(source) as stream, target.open("xb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.uint8)), "fortran_order": False}
        np.lib.format.write_array_header_2_0(file, {**header, "shape": stream.shape})
        written = 0
        for chunk in stream.chunks():
            file.write(chunk)
            written += len(chunk)
            progress(f"writing {part}", written / stream.size)
        file.flush()
        os.fsync(file.fileno())
        return stream.shape
