"""The whole job, unattended, on real data: a simulated crowd, four models, one leaderboard.

Everything goes through the running site's own pages and endpoints; only the pass that lets a simulated crowd
join is made from the site's secret.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from annotate.crowd import crowd_confusion
from annotate.models import Study
from annotate.tokens import simulation_pass
from config import lifeline
from config.crowd_driver import answer_study
from config.site_client import SiteAnswerError, SiteClient
from imagesets.library import open_imageset

Say = Callable[[str], None]

N_IMAGES, LABELS_PER_IMAGE, N_ANNOTATORS = 1000, 3, 12
CROWD_ACCURACY, CROWD_SEED, STUDY_SEED, MODEL_SEED = 0.78, 2, 1, 0
SUBSET = 10_000
STUDY_TEXTS = ("instructions", "consent_text", "consent_version")
START_SECONDS, RUN_SECONDS = 180, 600

MODELS: list[tuple[str, dict[str, Any]]] = [
    ("Nearest centroid", {"steps": [{"name": "NearestCentroid"}]}),
    (
        "5 nearest neighbours",
        {"steps": [{"name": "KNeighborsClassifier", "params": {"n_neighbors": 5}}], "train_size": SUBSET},
    ),
    ("Random forest", {"steps": [{"name": "RandomForestClassifier", "params": {"n_estimators": 50}}]}),
    ("SVC", {"steps": [{"name": "SVC", "params": {"C": 10}}], "train_size": SUBSET}),
]


class DemoError(Exception):
    """Why the demonstration could not go on, in one line."""


def run_demo(image_set: str, say: Say) -> dict[str, Any]:
    """Run the whole demonstration; the numbers of its last line. Raises DemoError, SiteAnswerError."""
    prepared = open_imageset(image_set)
    confusion = crowd_confusion(prepared.spec.n_classes, CROWD_ACCURACY, CROWD_SEED)
    with _running_site(say) as base_url:
        staff = _signed_in_admin(base_url)
        study = _new_study(staff, image_set, min(N_IMAGES, prepared.spec.n_test))
        say(f"{N_ANNOTATORS} simulated annotators answer {study.n_images} images x {LABELS_PER_IMAGE} ...")
        sent = answer_study(
            base_url,
            study.link_key,
            study.consent_version,
            simulation_pass(study),
            prepared,
            confusion,
            N_ANNOTATORS,
            CROWD_SEED,
        )
        page = study.get_absolute_url()
        staff.post_form(f"{page}close/", {}, page=page)
        export = settings.HUMANMARK_VAR_DIR / "annotations-simulated.csv"
        export.write_text(staff.get(f"{page}annotations.csv"))
        say(f"{sent} simulated answers sent, the study is closed, its annotations are in {export}")
        models = _evaluate_models(base_url, image_set, say)
        board = staff.get_json(f"/leaderboard/{image_set}/results.json")
    return {
        "image_set": image_set,
        "image_set_digest": prepared.digest,
        "human": _human_numbers(study) | {"annotations": str(export), "crowd_confusion": confusion.tolist()},
        "models": models,
        "leaderboard": board["rows"],
    }


@contextmanager
def _running_site(say: Say) -> Iterator[str]:
    """The site as `make run` starts it, on a free port, stopped at the end whatever happens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    base_url = f"http://127.0.0.1:{port}"
    # Tied to this process: were the demonstration killed, the site would stop as with Ctrl-C.
    tie = [sys.executable, str(Path(lifeline.__file__)), str(os.getpid()), str(signal.SIGINT.value)]
    site = subprocess.Popen(
        [*tie, sys.executable, str(settings.BASE_DIR / "manage.py"), "run_site"],
        env={**os.environ, "HOST": "127.0.0.1", "PORT": str(port)},
        start_new_session=True,
    )
    try:
        _wait_until_healthy(base_url, site)
        say(f"The site answers at {base_url}")
        yield base_url
    finally:
        site.send_signal(signal.SIGINT)
        try:
            site.wait(timeout=30)
        except subprocess.TimeoutExpired:
            site.kill()


def _wait_until_healthy(base_url: str, site: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if site.poll() is not None:
            raise DemoError("the site stopped while starting; its reason stands above")
        try:
            SiteClient(base_url).get("/healthz")
        except (OSError, SiteAnswerError):
            time.sleep(0.2)
        else:
            return
    raise DemoError(f"the site did not answer within {START_SECONDS} s")


def _signed_in_admin(base_url: str) -> SiteClient:
    client = SiteClient(base_url)
    password = (settings.HUMANMARK_VAR_DIR / "admin_password").read_text().strip()
    client.post_form("/accounts/login/", {"login": "admin", "password": password})
    return client


def _new_study(staff: SiteClient, image_set: str, n_images: int) -> Study:
    texts = Study()
    fields = {field: getattr(texts, field) for field in STUDY_TEXTS} | {
        "title": f"{n_images} images x {LABELS_PER_IMAGE}, simulated crowd",
        "image_set": image_set,
        "n_images": n_images,
        "labels_per_image": LABELS_PER_IMAGE,
        "sampling": Study.Sampling.SIMPLE,
        "seed": STUDY_SEED,
        "guest_policy": Study.GuestPolicy.GUESTS,
        "is_simulated": "on",
    }
    staff.post_form("/studies/new/", fields)
    link_key = urlsplit(staff.last_url).path.strip("/").split("/")[-1]
    staff.post_form(f"/studies/{link_key}/open/", {}, page=f"/studies/{link_key}/")
    study = Study.objects.filter(link_key=link_key, state=Study.State.OPEN).first()
    if study is None:
        raise DemoError(f"the study form led to {staff.last_url} instead of an open study")
    return study


def _evaluate_models(base_url: str, image_set: str, say: Say) -> list[dict[str, Any]]:
    client = SiteClient(base_url)
    password = secrets.token_urlsafe(16)
    client.post_form(
        "/accounts/signup/", {"username": "researcher", "password1": password, "password2": password}
    )
    runs = [
        (name, client.post_json("/submit/", _submission(name, image_set, spec))["run"])
        for name, spec in models_for(open_imageset(image_set).spec.n_train)
    ]
    say(f"{len(runs)} models submitted ...")
    return [_wait_for_run(client, name, run, say) for name, run in runs]


def models_for(n_train: int) -> list[tuple[str, dict[str, Any]]]:
    """The four models; an image set smaller than the subset is used whole."""
    if n_train > SUBSET:
        return MODELS
    return [(name, {"steps": spec["steps"]}) for name, spec in MODELS]


def _submission(name: str, image_set: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "image_set": image_set, "spec": json.dumps(spec), "seed": MODEL_SEED}


def _wait_for_run(client: SiteClient, name: str, run: str, say: Say) -> dict[str, Any]:
    deadline = time.monotonic() + RUN_SECONDS
    while time.monotonic() < deadline:
        record = client.get_json(f"/runs/{run}.json")
        if record["state"] == "scored":
            say(f"  {name}: {record['accuracy']:.4f} after {record['seconds']:.1f} s")
            return {"name": name, **record}
        if record["state"] not in ("queued", "running"):
            raise DemoError(f"{name} ended as {record['state']}: {record.get('reason', '')}")
        time.sleep(0.3)
    raise DemoError(f"{name} was not scored within {RUN_SECONDS} s")


def _human_numbers(study: Study) -> dict[str, Any]:
    study.refresh_from_db()
    result = study.result
    return {
        "simulated": study.is_simulated,
        "study": study.link_key,
        "n": result.n_images,
        "k": study.labels_per_image,
        "annotators": result.n_annotators,
        "accuracy": result.accuracy,
        "interval": [result.interval_low, result.interval_high],
        "worst": result.accuracy_worst,
        "best": result.accuracy_best,
        "ties": result.tie_share,
        "one_person": result.single_accuracy,
    }
