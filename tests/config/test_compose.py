"""docker-compose.yml: valid, without secrets, and each service really starts with what the file gives it."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import jsonschema
import psycopg
import pytest

from config.redis_server import find_redis_server
from tests.config.compose_runner import LocalService, MissingVariableError, compose_file, substitute
from tests.conftest import need
from tests.environment import ROOT
from tests.services import PostgresServer, find_postgres, free_port
from tests.waiting import wait_until

REQUIRED = {"HUMANMARK_SECRET_KEY", "HUMANMARK_DATABASE_PASSWORD", "HUMANMARK_REDIS_PASSWORD"}
OWN = {"migrate", "web", "worker", "beat"}


def variables() -> dict[str, str]:
    return {name: secrets.token_urlsafe(50) for name in REQUIRED}


def test_the_file_follows_the_compose_specification() -> None:
    schema = json.loads((Path(__file__).parent / "compose_spec" / "compose_spec.json").read_text())
    # Named here, because the schema spells the name of its draft in a way that the library does not know.
    validator = jsonschema.Draft201909Validator(schema)
    content = compose_file()
    validator.validate(content)
    validator.validate(substitute(content, variables()))
    assert not validator.is_valid({"services": {"web": {"imagee": "x"}}})


def test_it_has_every_part_and_each_long_running_one_a_health_check() -> None:
    services = compose_file()["services"]
    assert set(services) == {*OWN, "postgres", "redis"}
    assert [name for name, service in services.items() if "healthcheck" not in service] == ["migrate"]


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_the_start_is_refused_without_a_secret(name: str) -> None:
    given = {key: value for key, value in variables().items() if key != name}
    with pytest.raises(MissingVariableError, match=name):
        substitute(compose_file(), given)


def test_no_secret_stands_in_the_file() -> None:
    for service in compose_file()["services"].values():
        for key, value in service.get("environment", {}).items():
            if any(word in key for word in ("PASSWORD", "SECRET", "URL", "AUTH")):
                assert ":?" in value, key


def test_one_machine_is_only_a_special_case_of_many() -> None:
    """A worker has no fixed name, no port and no state of its own, so `--scale worker=4` is all it takes."""
    worker = compose_file()["services"]["worker"]
    assert not {"container_name", "ports", "hostname"} & set(worker)
    assert "runs@%h" in worker["command"]
    assert [volume.split(":")[0] for volume in worker["volumes"]] == ["imagesets"]


def test_everything_waits_for_the_migration_and_for_healthy_services() -> None:
    services = compose_file()["services"]
    for name in OWN - {"migrate"}:
        conditions = {other: wait["condition"] for other, wait in services[name]["depends_on"].items()}
        assert conditions == {
            "migrate": "service_completed_successfully",
            "postgres": "service_healthy",
            "redis": "service_healthy",
        }


def test_every_named_volume_is_declared() -> None:
    content = compose_file()
    used = {
        volume.split(":")[0]
        for service in content["services"].values()
        for volume in service.get("volumes", [])
    }
    assert used == set(content["volumes"])


@pytest.fixture
def services(postgres: PostgresServer, tmp_path: Path) -> Iterator[dict[str, LocalService]]:
    """Every service with its own command and environment; only hosts, ports, folders are other ones."""
    server = urlsplit(postgres.url())
    given = variables() | {"HUMANMARK_DATABASE_PASSWORD": f"{server.password}"}
    web, redis = free_port(), free_port()
    moved = {
        "postgres:5432/humanmark": f"127.0.0.1:{server.port}/humanmark",
        "@redis:6379": f"@127.0.0.1:{redis}",
        "--host=0.0.0.0": "--host=127.0.0.1",
        "--port=8000": f"--port={web}",
        "/tmp/beat-schedule": str(tmp_path / "beat-schedule"),  # noqa: S108  a container's own /tmp
        "redis-cli ": f"redis-cli -p {redis} ",
    }
    content = substitute(compose_file(), given)["services"]
    redis_server = find_redis_server()
    programs = [folder for folder in (find_postgres(), redis_server and redis_server.parent) if folder]
    made = {name: LocalService(name, service, moved, tmp_path, programs) for name, service in content.items()}
    need(shutil.which("redis-cli", path=made["redis"].search_path), "Redis")
    shared = str(ROOT / "var" / "imagesets")
    for name in OWN:
        made[name].environment |= {"HUMANMARK_IMAGESET_ROOT": shared, "PORT": str(web)}
    made["redis"].add_arguments("--port", str(redis), "--bind", "127.0.0.1", "--dir", str(tmp_path))
    made["postgres"].environment |= {"PGHOST": "127.0.0.1", "PGPORT": str(server.port)}
    yield made
    for service in reversed(made.values()):
        service.stop()


@pytest.mark.site
def test_the_services_start_become_healthy_and_score_a_submission(
    services: dict[str, LocalService], postgres: PostgresServer
) -> None:
    need(find_postgres(), "PostgreSQL")
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE humanmark")
    services["redis"].start()
    for name in ("postgres", "redis"):
        wait_until(services[name].is_healthy, f"{name} is healthy")
    services["migrate"].start()
    migration = services["migrate"].process
    assert migration is not None
    assert migration.wait(300) == 0, services["migrate"].output()
    for name in ("web", "worker", "beat"):
        services[name].start()
    for name in ("web", "worker", "beat"):
        wait_until(services[name].is_healthy, f"{name} is healthy: {services[name].output()[-300:]}", 60)
    state = services["web"].manage("shell", "-v", "0", "-c", SUBMIT)
    assert state.strip().startswith("scored 0."), state


SUBMIT = """
import time
from django.contrib.auth.models import User
from annotate.models import Study
from benchmarks.submitting import submit
spec = {"steps": [{"name": "NearestCentroid", "params": {}}]}
owner = User.objects.get(username="admin")
run = submit(owner, "nearest centroid", Study.objects.get().image_set, spec)
deadline = time.monotonic() + 120
while run.state in ("queued", "running") and time.monotonic() < deadline:
    time.sleep(0.2)
    run.refresh_from_db()
print(run.state, run.accuracy, run.reason)
"""
