"""kill -9, in the middle of a run: no run is stuck, none is scored twice, every end has a reason."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from tests.faults.researcher import QUICK, SLOW, Researcher, below, training_children
from tests.site import Site
from tests.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]

COUNT_RESULTS = (
    "from benchmarks.models import Run, RunPredictions;"
    "print(Run.objects.filter(state='scored').count(), RunPredictions.objects.count(),"
    "Run.objects.filter(state__in=['queued', 'running']).count())"
)


def results(site: Site) -> tuple[int, int, int]:
    """Scored runs, stored predictions, and runs that have not ended."""
    scored, predictions, going = site.manage("shell", "--verbosity", "0", "-c", COUNT_RESULTS).split()[-3:]
    return int(scored), int(predictions), int(going)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def test_a_run_whose_worker_is_killed_is_done_by_the_next_one(make_site: Callable[..., Site]) -> None:
    """With the settings of every site: stale after 40 s, all within two minutes."""
    site = make_site()
    researcher = Researcher(site)
    run = researcher.submit(SLOW)
    child = researcher.wait_until_training(run)
    worker = site.pids()["worker"]
    for pid in below(site, worker):
        if pid != child:
            kill(pid)
    wait_until(lambda: not training_children(site), "the child ends with its worker", 5)
    record = researcher.wait_until_ended(run)
    assert record["state"] == "scored"
    assert record["attempt"] == 2
    assert site.pids()["worker"] != worker
    assert results(site) == (1, 1, 0)


def test_a_run_whose_workers_main_process_alone_is_killed_is_scored_once(
    make_site: Callable[..., Site],
) -> None:
    site = make_site(HUMANMARK_STALE_SECONDS="8")
    researcher = Researcher(site)
    run = researcher.submit(SLOW)
    researcher.wait_until_training(run)
    kill(site.pids()["worker"])
    record = researcher.wait_until_ended(run)
    assert record["state"] == "scored"
    assert results(site) == (1, 1, 0)


def test_a_run_whose_training_child_is_killed_fails_with_the_reason_and_can_be_run_again(
    make_site: Callable[..., Site],
) -> None:
    site = make_site()
    researcher = Researcher(site)
    run = researcher.submit(SLOW)
    kill(researcher.wait_until_training(run))
    record = researcher.wait_until_ended(run, 20)
    assert record["state"] == "failed"
    assert "signal 9" in record["reason"]
    assert record["reason"] in researcher.client.get(f"/runs/{run}/").replace("&#x27;", "'")
    page = researcher.client.post_form(f"/runs/{run}/rerun/", {"seed": 0}, page=f"/runs/{run}/")
    assert page
    again = researcher.client.last_url.rstrip("/").split("/")[-1]
    assert again != run
    assert researcher.wait_until_ended(again)["state"] == "scored"


def test_runs_survive_the_death_of_redis(make_site: Callable[..., Site]) -> None:
    """Some are being trained, one waits in the queue, one comes while Redis is away."""
    site = make_site()
    researcher = Researcher(site)
    going = [researcher.submit(SLOW, seed) for seed in (1, 2)]
    researcher.wait_until_training(going[0])
    waiting = researcher.submit(QUICK, 3)
    redis = site.pids()["redis"]
    kill(redis)
    late = researcher.submit(QUICK, 4)
    for run in (*going, waiting, late):
        record = researcher.wait_until_ended(run)
        assert (record["state"], record["attempt"]) == ("scored", 1), record
    assert site.pids()["redis"] != redis
    assert results(site) == (4, 4, 0)


def test_an_idle_worker_takes_the_next_run_after_redis_came_back(make_site: Callable[..., Site]) -> None:
    site = make_site()
    researcher = Researcher(site)
    assert researcher.wait_until_ended(researcher.submit(QUICK))["state"] == "scored"
    kill(site.pids()["redis"])
    wait_until(lambda: "redis" in site.pids() and site.is_healthy(), "Redis is back", 30)
    assert researcher.wait_until_ended(researcher.submit(QUICK, 1), 60)["state"] == "scored"


def test_a_killed_web_server_comes_back_and_the_runs_go_on(make_site: Callable[..., Site]) -> None:
    site = make_site()
    researcher = Researcher(site)
    run = researcher.submit(SLOW)
    researcher.wait_until_training(run)
    for pid in below(site, site.pids()["web"]):
        kill(pid)
    wait_until(site.is_healthy, "the web server is back", 30)
    assert researcher.wait_until_ended(run)["state"] == "scored"


def test_a_cancelled_run_is_dead_within_five_seconds(make_site: Callable[..., Site]) -> None:
    site = make_site()
    researcher = Researcher(site)
    run = researcher.submit(SLOW)
    researcher.wait_until_training(run)
    researcher.client.post_form(f"/runs/{run}/cancel/", {}, page=f"/runs/{run}/")
    assert researcher.run(run)["state"] == "cancelled"
    wait_until(lambda: not training_children(site), "the training child is gone", 5)
    assert results(site) == (0, 0, 0)
