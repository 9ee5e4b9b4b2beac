"""Fit a spec's estimator and predict the test images: what happens inside the training child.

The images reach the estimator as float64 from 0 to 255, one row per image, so that the results equal those
of scikit-learn called directly on `images.reshape(n, -1).astype(float)`.
"""

import io
import platform
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import sklearn
from numpy.typing import NDArray

from benchmarks.child_results import PREDICTIONS_FILE, PROBABILITIES_FILE
from benchmarks.sklearn_catalog import CATALOG
from benchmarks.sklearn_spec import build_pipeline, describe_spec, training_subset, validate_spec

Progress = Callable[[str, float | None, str], None]
Floats = NDArray[np.float64]

BLOCK_IMAGES = 1000
# scikit-learn's brute-force neighbours work on tiles of 256 rows, and divide the work among threads in
# another way below four tiles per thread. Blocks that respect both give the numbers of one call.
NEIGHBOR_TILE = 256
# These metrics go through one matrix product over all test images, whose rounding depends on its shape.
WHOLE_PRODUCT_METRICS = frozenset({"correlation", "cosine", "sqeuclidean"})


def run_job(job: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Train and predict as the job says and write the result files into its `output_dir`.

    Returns versions, train_seconds and predict_seconds. Whatever scikit-learn raises passes through.
    """
    images, labels, spec = _training_data(job)
    estimator = build_pipeline(spec, job["seed"])
    progress("fitting", None, f"training {describe_spec(spec)} on {len(images):,} images")
    started = time.perf_counter()
    estimator.fit(images, labels)
    trained = time.perf_counter()
    del images  # some estimators keep it, the others need not
    test = as_rows(np.load(job["test_images"], mmap_mode="r", allow_pickle=False))
    predictions, probabilities = predict(estimator, test, job["n_classes"], job["threads"], progress)
    finished = time.perf_counter()
    output = Path(job["output_dir"])
    _save(output / PREDICTIONS_FILE, predictions)
    if probabilities is not None:
        _save(output / PROBABILITIES_FILE, probabilities)
    return {
        "versions": library_versions(),
        "train_seconds": trained - started,
        "predict_seconds": finished - trained,
    }


def as_rows(images: NDArray[Any]) -> Floats:
    """(n, ...) images of any number type as an (n, pixels) float64 array in C order."""
    return images.reshape(len(images), -1).astype(np.float64, order="C")


def predict(
    estimator: Any, images: Floats, n_classes: int, threads: int, progress: Progress
) -> tuple[NDArray[np.int64], NDArray[np.float32] | None]:
    """Labels (n,) of (n, pixels) images and, where they are cheap, probabilities (n, n_classes).

    Works in blocks, with progress, only where that changes no bit of the answer.
    """
    progress("predicting", 0.0, f"predicting {len(images):,} images")
    features, classifier = images, estimator
    if hasattr(estimator, "steps"):
        features, classifier = estimator[:-1].transform(images), estimator[-1]
    labels = np.empty(len(features), dtype=np.int64)
    for start, stop in _blocks(classifier, len(features), threads):
        labels[start:stop] = classifier.predict(features[start:stop])
        progress("predicting", stop / len(features), f"predicted {stop:,} of {len(features):,} images")
    return labels, _probabilities(classifier, features, n_classes)


def library_versions() -> dict[str, str]:
    """The versions that a result depends on."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "sklearn": sklearn.__version__,
    }


def _save(path: Path, array: NDArray[Any]) -> None:
    # In one Python write, whose error says "no space left" or "file too large"; numpy's only counts items.
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    path.write_bytes(stream.getbuffer())


def _training_data(job: Mapping[str, Any]) -> tuple[Floats, NDArray[Any], dict[str, Any]]:
    images = np.load(job["train_images"], mmap_mode="r", allow_pickle=False)
    labels = np.load(job["train_labels"], allow_pickle=False)
    # Checked once more where it is used: the spec has been through a database and a message since.
    spec = validate_spec(
        job["spec"],
        n_train=len(images),
        n_features=int(np.prod(images.shape[1:])),
        n_classes=job["n_classes"],
    )
    train_size = spec.get("train_size")
    if train_size is not None:
        chosen = training_subset(labels, train_size, job["seed"])
        images, labels = images[chosen], labels[chosen]
    return as_rows(images), labels, spec


def _blocks(classifier: Any, n: int, threads: int) -> Iterator[tuple[int, int]]:
    step = _block_step(classifier, n, threads)
    count = max(1, n // step)
    for block in range(count):
        yield block * step, (block + 1) * step if block + 1 < count else n


def _block_step(classifier: Any, n: int, threads: int) -> int:
    name = type(classifier).__name__
    if name == "KNeighborsClassifier":
        if classifier.metric in WHOLE_PRODUCT_METRICS:
            return n
        return NEIGHBOR_TILE * (4 * threads + 1)
    return BLOCK_IMAGES if CATALOG[name].row_wise else n


def _probabilities(classifier: Any, features: Floats, n_classes: int) -> NDArray[np.float32] | None:
    if not CATALOG[type(classifier).__name__].probabilities or not hasattr(classifier, "predict_proba"):
        return None
    try:
        found = classifier.predict_proba(features)
    except Exception:  # noqa: BLE001 - the labels are the answer; it must not be lost for this
        print("no probabilities:", traceback.format_exc(limit=1), file=sys.stderr)  # noqa: T201
        return None
    if not np.isfinite(found).all():
        print("no probabilities: some of them are not finite", file=sys.stderr)  # noqa: T201
        return None
    # A training subset may miss a class: its column stays zero.
    complete = np.zeros((len(features), n_classes), dtype=np.float32)
    complete[:, np.asarray(classifier.classes_, dtype=np.intp)] = found
    return complete
