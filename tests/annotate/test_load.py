"""K is exact under load: many annotators at once over two server processes, on each database."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.annotate.http_crowd import let_a_crowd_label
from tests.site import Site

ROUNDS = int(os.environ.get("HUMANMARK_LOAD_ROUNDS", "1"))
PEOPLE, IMAGES, LABELS = 32, 300, 3

OPEN_A_STUDY = f"""
import json
from annotate.studies import create_study, open_study
from annotate.tokens import simulation_pass
study = open_study(create_study(
    title="Load", image_set="digits", n_images={IMAGES}, labels_per_image={LABELS}, is_simulated=True))
print(json.dumps({{"link_key": study.link_key, "consent_version": study.consent_version,
    "pass": simulation_pass(study)}}))
"""

COUNT = """
import json
from collections import Counter
from annotate.models import Annotation, ReplacedAnswer, Slot, Study
study = Study.objects.get(link_key="{link_key}")
annotations = Annotation.objects.filter(study_image__study=study)
counted = list(annotations.filter(outcome="counted").values_list("study_image", "annotator"))
per_image = Counter(image for image, _ in counted)
history = ReplacedAnswer.objects.filter(annotation__study_image__study=study)
print(json.dumps({{
    "counted": len(counted),
    "images": len(per_image),
    "votes_per_image": sorted(set(per_image.values())),
    "repeated": len(counted) - len(set(counted)),
    "unfilled": Slot.objects.filter(study=study, filled_at=None).count(),
    "people": study.annotators.count(),
    "stored": [str(row.client_id) for rows in (annotations, history) for row in rows],
}}))
"""


def ask(site: Site, code: str) -> Any:
    """Run code in the site's environment; the JSON it printed last."""
    return json.loads(site.manage("shell", "--verbosity", "0", "-c", code).splitlines()[-1])


@pytest.mark.load
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_32_annotators_over_2_servers_give_every_image_exactly_its_labels(
    database: str,
    make_site: Callable[..., Site],
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    site = make_site(database)
    servers = [site.base_url, site.add_web()]
    for number in range(ROUNDS):
        study = ask(site, OPEN_A_STUDY)
        sent, seconds = let_a_crowd_label(servers, study, PEOPLE, seed=number)
        record_testsuite_property(f"answers_per_second_{database}_{number}", round(len(sent) / seconds))
        books = ask(site, COUNT.format(link_key=study["link_key"]))
        stored = books.pop("stored")
        assert books == {
            "counted": IMAGES * LABELS,
            "images": IMAGES,
            "votes_per_image": [LABELS],
            "repeated": 0,
            "unfilled": 0,
            "people": PEOPLE,
        }
        assert len(stored) == len(set(stored))
        assert set(stored) == sent
    logs = [site.log("web"), *(log.read_text() for log in site.folder.glob("web-*.log"))]
    assert not [line for log in logs for line in log.splitlines() if "Traceback" in line or "ERROR" in line]
