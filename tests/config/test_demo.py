"""`manage.py demo` from end to end, its numbers recounted by plain scikit-learn and by hand."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.svm import SVC

from imagesets.library import ensure_imageset
from tests.environment import ROOT, clean_environment

pytestmark = [pytest.mark.site, pytest.mark.timeout(300)]

BARE = {
    "Nearest centroid": NearestCentroid(),
    "5 nearest neighbours": KNeighborsClassifier(n_neighbors=5),
    "Random forest": RandomForestClassifier(n_estimators=50, random_state=0),
    "SVC": SVC(C=10, random_state=0),
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What the command printed, and its last line."""
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [sys.executable, "manage.py", "demo", "--image-set", "digits"],
        cwd=ROOT,
        env=clean_environment(folder),
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
    return done.stdout, json.loads(done.stdout.strip().splitlines()[-1])


def test_the_models_accuracies_are_those_of_bare_scikit_learn(demo: tuple[str, dict[str, Any]]) -> None:
    digits = ensure_imageset("digits")
    train = digits.train_images.reshape(len(digits.train_images), -1).astype(float)
    test = digits.test_images.reshape(len(digits.test_images), -1).astype(float)
    models = {model["name"]: model for model in demo[1]["models"]}
    assert set(models) == set(BARE)
    for name, bare in BARE.items():
        predicted = bare.fit(train, digits.train_labels).predict(test)
        assert models[name]["accuracy"] == float((predicted == digits.test_labels).mean())
        assert (models[name]["seed"], models[name]["spec"]["steps"][-1]["name"]) == (0, type(bare).__name__)
        assert models[name]["seconds"] > 0


def test_the_human_row_is_a_recount_of_the_exported_annotations(demo: tuple[str, dict[str, Any]]) -> None:
    human = demo[1]["human"]
    votes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    truth: dict[str, str] = {}
    with Path(human["annotations"]).open() as file:
        for row in csv.DictReader(file):
            assert (row["simulated"], row["counted"]) == ("1", "1")
            votes[row["image_index"]][row["choice"]] += 1
            truth[row["image_index"]] = row["true_class"]
    assert {sum(votes_of_image.values()) for votes_of_image in votes.values()} == {human["k"]} == {3}
    shares = []
    for image, votes_of_image in votes.items():
        most = max(votes_of_image.values())
        winners = [choice for choice, count in votes_of_image.items() if count == most]
        shares.append(1 / len(winners) if truth[image] in winners else 0.0)
    assert human["n"] == len(shares) == 600
    assert human["accuracy"] == pytest.approx(np.mean(shares), abs=1e-12)
    assert human["simulated"] is True
    low, high = human["interval"]
    neighbours = [binomtest(int(sum(shares)) + more, 600).proportion_ci(method="wilson") for more in (0, 1)]
    assert neighbours[0].low <= low <= neighbours[1].low
    assert neighbours[0].high <= high <= neighbours[1].high


def test_the_printed_leaderboard_shows_everything_and_says_simulated(
    demo: tuple[str, dict[str, Any]],
) -> None:
    text = demo[0]
    for name in BARE:
        assert f"ran here     {name}" in text
    assert "majority of 3 (simulated)" in text


def test_nothing_keeps_running(demo: tuple[str, dict[str, Any]]) -> None:
    folder = str(Path(demo[1]["human"]["annotations"]).parent)
    for entry in Path("/proc").glob("[0-9]*"):
        if entry.name != str(os.getpid()):
            try:
                command = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:
                continue
            assert folder.encode() not in command
