"""A researcher at a running site, and the processes that work for them."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

from config.site_client import SiteClient
from tests.site import Site
from tests.waiting import wait_until

QUICK = {"steps": [{"name": "NearestCentroid"}]}
# Some seconds of work on digits, so that there is a middle to be killed in.
SLOW = {"steps": [{"name": "GradientBoostingClassifier", "params": {"n_estimators": 150}}]}
ENDED = ("scored", "failed", "cancelled", "timed_out")


class Researcher:
    """Signs up and submits through the site's own pages."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.client = SiteClient(site.base_url)
        password = secrets.token_urlsafe(16)
        name = f"researcher-{secrets.token_hex(4)}"
        self.client.post_form(
            "/accounts/signup/", {"username": name, "password1": password, "password2": password}
        )

    def submit(self, spec: dict[str, Any], seed: int = 0) -> str:
        fields = {"name": "a model", "image_set": "digits", "spec": json.dumps(spec), "seed": seed}
        return str(self.client.post_json("/submit/", fields)["run"])

    def run(self, run: str) -> dict[str, Any]:
        record: dict[str, Any] = self.client.get_json(f"/runs/{run}.json")
        return record

    def wait_until_training(self, run: str) -> int:
        """The process id of the child that trains, once it is fitting."""
        wait_until(lambda: self.run(run)["stage"] == "fitting", "the run is being fitted", 60)
        return wait_until(lambda: training_children(self.site), "a child trains", 10)[0]

    def wait_until_ended(self, run: str, seconds: float = 120) -> dict[str, Any]:
        wait_until(lambda: self.run(run)["state"] in ENDED, f"the run ends ({self.run(run)})", seconds, 0.3)
        return self.run(run)


def training_children(site: Site) -> list[int]:
    """Training processes below the site's worker."""
    worker = site.pids().get("worker")
    return [
        int(entry.name)
        for entry in Path("/proc").glob("[0-9]*")
        if "training_child.py" in _command_line(entry) and worker in _ancestors(site, int(entry.name))
    ]


def below(site: Site, pid: int) -> list[int]:
    """The process and all below it, the deepest last."""
    everybody = [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]
    return [pid, *(other for other in everybody if pid in _ancestors(site, other))]


def _ancestors(site: Site, pid: int) -> list[int]:
    found: list[int] = []
    parent = site.parent(pid)
    while parent:
        found.append(parent)
        parent = site.parent(parent)
    return found


def _command_line(entry: Path) -> str:
    try:
        return (entry / "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""
