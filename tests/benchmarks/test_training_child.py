"""What the child computes: exactly what scikit-learn computes when called directly."""

import contextlib
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, QuantileTransformer, StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from benchmarks import fitting
from benchmarks.child_process import Limits, Outcome, Tick, TrainingJob, run_training
from benchmarks.sklearn_catalog import CATALOG, estimator_class, names
from benchmarks.training_child import plain_reason

N_TRAIN = 1400
SEED = 7
LIMITS = Limits(wall_seconds=60, cpu_seconds=60, memory_bytes=1 << 30, file_bytes=1 << 24, processes=64)

PARTS = [("train", "images"), ("train", "labels"), ("test", "images")]

# Spec steps, training images (None: all), and the same by hand.
EQUAL: dict[str, tuple[list[dict[str, Any]], int | None, Any]] = {
    "nearest centroid": ([{"name": "NearestCentroid"}], None, NearestCentroid()),
    "logistic regression": (
        [{"name": "StandardScaler"}, {"name": "LogisticRegression", "params": {"max_iter": 30}}],
        None,
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=30, random_state=SEED)),
    ),
    "forest on a subset": (
        [{"name": "RandomForestClassifier", "params": {"n_estimators": 20}}],
        500,
        RandomForestClassifier(n_estimators=20, random_state=SEED),
    ),
    "support vectors on a subset": (
        [{"name": "SVC", "params": {"C": 10}}],
        700,
        SVC(C=10, random_state=SEED),
    ),
    "neighbours of components": (
        [
            {"name": "PCA", "params": {"n_components": 20, "svd_solver": "randomized"}},
            {"name": "KNeighborsClassifier"},
        ],
        None,
        make_pipeline(PCA(20, svd_solver="randomized", random_state=SEED), KNeighborsClassifier()),
    ),
    "net": (
        [
            {"name": "QuantileTransformer", "params": {"n_quantiles": 50}},
            {"name": "MinMaxScaler", "params": {"feature_range": [-1, 1]}},
            {"name": "MLPClassifier", "params": {"hidden_layer_sizes": [20, 10], "max_iter": 10}},
        ],
        None,
        make_pipeline(
            QuantileTransformer(n_quantiles=50, random_state=SEED),
            MinMaxScaler((-1, 1)),
            MLPClassifier((20, 10), max_iter=10, random_state=SEED),
        ),
    ),
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As in the child: numerical libraries round alike, and do not fight over a busy machine's cores."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    images, labels = load_digits(return_X_y=True)
    images = images.astype(np.uint8).reshape(-1, 8, 8)
    np.save(folder / "train-images.npy", images[:N_TRAIN])
    np.save(folder / "train-labels.npy", labels[:N_TRAIN].astype(np.uint8))
    np.save(folder / "test-images.npy", images[N_TRAIN:])
    return folder


def job_for(files: Path, steps: list[dict[str, Any]], train_size: int | None = None) -> TrainingJob:
    spec: dict[str, Any] = {"steps": steps}
    if train_size is not None:
        spec["train_size"] = train_size
    images, labels, test = (files / f"{part}-{what}.npy" for part, what in PARTS)
    return TrainingJob(spec, SEED, images, labels, test, n_classes=10, threads=1, scratch=files)


@pytest.fixture(scope="module")
def outcomes(files: Path) -> dict[str, tuple[Outcome, list[Tick]]]:
    """All specs through real children, two at a time as on the smallest machine."""

    def run(name: str) -> tuple[Outcome, list[Tick]]:
        ticks: list[Tick] = []
        steps, train_size, _ = EQUAL[name]

        def note(tick: Tick) -> bool:
            ticks.append(tick)
            return True

        job = job_for(files, steps, train_size)
        return run_training(job, LIMITS, note, tick_seconds=0.05), ticks

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(EQUAL, pool.map(run, EQUAL), strict=True))


@pytest.mark.site
@pytest.mark.parametrize("name", list(EQUAL))
@pytest.mark.filterwarnings("ignore")
def test_the_child_predicts_exactly_what_bare_scikit_learn_predicts(
    name: str, files: Path, outcomes: dict[str, tuple[Outcome, list[Tick]]]
) -> None:
    outcome, _ = outcomes[name]
    assert outcome.status == "done", outcome
    _, train_size, estimator = EQUAL[name]
    images, labels, test = (
        np.load(files / f"{part}.npy") for part in ("train-images", "train-labels", "test-images")
    )
    rows, test_rows = images.reshape(len(images), -1).astype(float), test.reshape(len(test), -1).astype(float)
    if train_size is not None:
        chosen = train_test_split(
            np.arange(N_TRAIN), train_size=train_size, stratify=labels, random_state=SEED
        )[0]
        rows, labels = rows[chosen], labels[chosen]
    estimator.fit(rows, labels)
    np.testing.assert_array_equal(outcome.predictions, estimator.predict(test_rows))
    if outcome.probabilities is not None:
        expected = estimator.predict_proba(test_rows).astype(np.float32)
        np.testing.assert_array_equal(outcome.probabilities, expected)


@pytest.mark.site
def test_a_finished_run_reports_its_circumstances(
    outcomes: dict[str, tuple[Outcome, list[Tick]]],
) -> None:
    outcome, ticks = outcomes["forest on a subset"]
    assert set(outcome.versions) == {"python", "numpy", "scipy", "sklearn"}
    assert outcome.reason == ""
    assert outcome.isolation
    assert outcome.train_seconds is not None
    assert outcome.predict_seconds is not None
    assert 0 < outcome.train_seconds < outcome.wall_seconds
    assert outcome.cpu_seconds > 0
    assert 50 << 20 < outcome.peak_memory_bytes < 500 << 20
    assert outcome.probabilities is not None
    assert outcome.probabilities.shape == (397, 10)
    assert ticks[0].stage in ("starting", "loading")
    assert all(earlier.elapsed_seconds < later.elapsed_seconds for earlier, later in pairwise(ticks))


@pytest.mark.site
def test_support_vectors_and_neighbours_give_no_probabilities(
    outcomes: dict[str, tuple[Outcome, list[Tick]]],
) -> None:
    assert outcomes["support vectors on a subset"][0].probabilities is None
    assert outcomes["neighbours of components"][0].probabilities is None


@pytest.mark.site
def test_an_error_of_scikit_learn_is_the_reason_of_the_failure(files: Path) -> None:
    job = job_for(files, [{"name": "StandardScaler"}, {"name": "MultinomialNB"}])
    outcome = run_training(job, LIMITS, lambda _: True)
    assert outcome.status == "failed"
    assert outcome.reason == "ValueError: Negative values in data passed to MultinomialNB (input X)."
    assert outcome.traceback.startswith("Traceback")
    assert outcome.predictions is None


def test_lack_of_memory_is_said_in_plain_words() -> None:
    reason = plain_reason(MemoryError(), {"memory_bytes": 2 << 30})
    assert reason == "the training needed more memory than the 2,048 MB that a run may use"


def test_a_reason_is_one_line() -> None:
    assert plain_reason(ValueError("one\n  two"), {}) == "ValueError: one two"


@pytest.mark.parametrize("name", names("classifier"))
@pytest.mark.filterwarnings("ignore")
def test_every_offered_classifier_trains_and_predicts(name: str, files: Path, tmp_path: Path) -> None:
    cheaper: dict[str, dict[str, Any]] = {
        "CategoricalNB": {"min_categories": 17},
        "GradientBoostingClassifier": {"n_estimators": 3},
        "HistGradientBoostingClassifier": {"max_iter": 3},
        "MLPClassifier": {"max_iter": 5},
        "GaussianProcessClassifier": {"optimizer": None},
        "QuadraticDiscriminantAnalysis": {"solver": "eigen", "shrinkage": 0.1},
    }
    job = {
        "spec": {"steps": [{"name": name, "params": cheaper.get(name, {})}], "train_size": 200},
        "seed": SEED,
        "n_classes": 10,
        "threads": 1,
        "output_dir": str(tmp_path),
        **{f"{part}_{what}": str(files / f"{part}-{what}.npy") for part, what in PARTS},
    }
    said: list[tuple[str, float | None]] = []
    fitting.run_job(job, lambda stage, fraction, _: said.append((stage, fraction)))
    predictions = np.load(tmp_path / "predictions.npy", allow_pickle=False)
    assert predictions.shape == (397,)
    assert predictions.dtype == np.int64
    assert said[0] == ("fitting", None)
    assert said[-1] == ("predicting", 1.0)
    assert (tmp_path / "probabilities.npy").exists() == (
        CATALOG[name].probabilities and hasattr(estimator_class(name)(), "predict_proba")
    )


@pytest.mark.parametrize(
    ("name", "params"),
    [
        *[(name, {}) for name in names("classifier") if CATALOG[name].row_wise],
        ("KNeighborsClassifier", {"weights": "distance"}),
        ("KNeighborsClassifier", {"p": 1}),
        ("KNeighborsClassifier", {"algorithm": "kd_tree"}),
        ("KNeighborsClassifier", {"metric": "cosine"}),
        ("SVC", {"kernel": "linear", "break_ties": True}),
    ],
)
def test_predicting_in_blocks_changes_no_answer(name: str, params: dict[str, Any]) -> None:
    images, labels = load_digits(return_X_y=True)
    times = 3 if name == "KNeighborsClassifier" else 2  # its blocks are larger
    # Noise makes rounding matter, which whole grey values would hide.
    many = np.tile(images, (times, 1)) + np.random.default_rng(0).normal(0, 2, (times * len(images), 64))
    cheap = {"n_estimators": 5} if "n_estimators" in estimator_class(name)().get_params() else {}
    few = {"max_iter": 2} if name == "HistGradientBoostingClassifier" else {}
    classifier = estimator_class(name)(**params, **cheap, **few).fit(many[::9], np.tile(labels, times)[::9])
    fractions: list[float | None] = []
    predicted, _ = fitting.predict(
        classifier, many, 10, 2, lambda _, fraction, __: fractions.append(fraction)
    )
    np.testing.assert_array_equal(predicted, classifier.predict(many))
    assert (len(fractions) > 2) == (params.get("metric") != "cosine")


def test_a_class_missing_in_the_training_images_gets_zero_probability() -> None:
    images, labels = load_digits(return_X_y=True)
    seen = labels != 4
    classifier = estimator_class("GaussianNB")(var_smoothing=0.1).fit(images[seen], labels[seen])
    _, probabilities = fitting.predict(classifier, images, 10, 1, lambda *_: None)
    assert probabilities is not None
    assert (probabilities[:, 4] == 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.site
def test_a_child_killed_in_the_middle_of_fitting_is_a_failed_run(files: Path) -> None:
    killed: list[int] = []

    def kill_while_fitting(tick: Tick) -> bool:
        if tick.stage == "fitting" and not killed:
            killed.extend(training_children())
            os.kill(killed[0], signal.SIGKILL)
        return True

    endless = {"max_iter": 10_000, "n_iter_no_change": 10_000, "hidden_layer_sizes": [500, 500]}
    job = job_for(files, [{"name": "MLPClassifier", "params": endless}])
    outcome = run_training(job, LIMITS, kill_while_fitting, tick_seconds=0.02)
    assert len(killed) == 1
    assert outcome.status == "failed"
    assert outcome.reason == "killed by signal 9 from outside the platform or for lack of memory"
    assert training_children() == []


def training_children() -> list[int]:
    """The training children of this process."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"training_child.py" in (stat.parent / "cmdline").read_bytes():
                found.append(int(stat.parent.name))
    return found
