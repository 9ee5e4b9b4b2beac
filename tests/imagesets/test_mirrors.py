"""Downloads: nothing that a web server does can hang the program, fill the disk or be believed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from imagesets.mirrors import MirrorSource
from imagesets.sources import NoSourceError, Obtained, obtain
from tests.imagesets.small_sets import small_arrays, spec_of, write_files
from tests.imagesets.web import Answer, redirects, sends, web_server

ARRAYS = small_arrays()
SPEC = spec_of(ARRAYS)
LABELS = SPEC.files["test-labels"].name


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def answers(tmp_path: Path) -> dict[str, Answer]:
    """A sound mirror's answers, for tests to spoil."""
    folder = write_files(tmp_path / "served", SPEC, ARRAYS)
    return {path.name: sends(path.read_bytes()) for path in folder.iterdir()}


def download(source: MirrorSource, tmp_path: Path) -> Obtained:
    return obtain(SPEC, [source], tmp_path / "work", lambda step, share: None)


def failure_of(source: MirrorSource, tmp_path: Path) -> str:
    with pytest.raises(NoSourceError) as failure:
        download(source, tmp_path)
    return str(failure.value)


def test_a_sound_mirror_gives_all_four_files(tmp_path: Path, answers: dict[str, Answer]) -> None:
    with web_server(answers) as (url, asked):
        obtained = download(MirrorSource(url), tmp_path)
    assert obtained.source == f"mirror {url}"
    assert sorted(asked) == sorted(file.name for file in SPEC.files.values())


def test_a_wrong_small_file_ends_the_download_before_the_large_ones(
    tmp_path: Path, answers: dict[str, Answer]
) -> None:
    answers[LABELS] = sends(b"something else")
    with web_server(answers) as (url, asked):
        text = failure_of(MirrorSource(url), tmp_path)
    assert f"{LABELS} refused: its content differs" in text
    assert asked == [LABELS]


def test_a_missing_file_is_told_with_the_servers_answer(tmp_path: Path, answers: dict[str, Answer]) -> None:
    del answers[LABELS]
    with web_server(answers) as (url, _):
        assert f"{LABELS}: the server answered 404" in failure_of(MirrorSource(url), tmp_path)


def test_a_broken_connection_is_told_with_the_bytes_that_came(
    tmp_path: Path, answers: dict[str, Answer]
) -> None:
    answers[LABELS] = sends(b"only this", promises=5000)
    with web_server(answers) as (url, _):
        text = failure_of(MirrorSource(url), tmp_path)
    assert "the connection broke after 9 of 5,000 bytes" in text


def test_an_answer_larger_than_the_file_can_be_is_cut_off(tmp_path: Path, answers: dict[str, Answer]) -> None:
    answers[LABELS] = sends(bytes(200_000))
    with web_server(answers) as (url, _):
        assert "larger than the 65,550 bytes it can have" in failure_of(MirrorSource(url), tmp_path)


@pytest.fixture
def never() -> Iterator[threading.Event]:
    """An event for which a server may wait; it comes when the test is over."""
    event = threading.Event()
    yield event
    event.set()


def test_a_silent_server_is_given_up_after_the_timeout(
    tmp_path: Path, answers: dict[str, Answer], never: threading.Event
) -> None:
    def silent(_request: BaseHTTPRequestHandler) -> None:
        never.wait(10)

    answers[LABELS] = silent
    with web_server(answers) as (url, _):
        text = failure_of(MirrorSource(url, timeout_s=0.05), tmp_path)
        never.set()
    assert "no answer for 0.05 s" in text


def test_a_dripping_server_is_given_up_at_the_deadline(tmp_path: Path, answers: dict[str, Answer]) -> None:
    with web_server(answers) as (url, _):
        assert "not complete after 0 s" in failure_of(MirrorSource(url, deadline_s=0), tmp_path)


def test_a_server_that_is_not_there_is_told_so(tmp_path: Path) -> None:
    with web_server({}) as (url, _):
        pass
    assert "cannot be reached" in failure_of(MirrorSource(url), tmp_path)


def test_a_redirect_to_another_web_address_is_followed(tmp_path: Path, answers: dict[str, Answer]) -> None:
    with web_server(answers) as (real, _):
        elsewhere = {name: redirects(real + name) for name in answers}
        with web_server(elsewhere) as (url, _):
            assert download(MirrorSource(url), tmp_path).source == f"mirror {url}"


@pytest.mark.parametrize(
    ("address", "refusal"),
    [
        ("file:///etc/hostname", "Redirection to url 'file:///etc/hostname' is not allowed"),
        ("ftp://127.0.0.1/x", "unknown url type: ftp"),
        ("data:,x", "Redirection to url 'data:,x' is not allowed"),
    ],
)
def test_a_redirect_away_from_the_web_is_not_followed(
    tmp_path: Path, answers: dict[str, Answer], address: str, refusal: str
) -> None:
    answers[LABELS] = redirects(address)
    with web_server(answers) as (url, _):
        assert refusal in failure_of(MirrorSource(url), tmp_path)
    assert not list((tmp_path / "work").rglob(LABELS))


def test_an_answer_that_is_not_http_is_an_ordinary_failure(
    tmp_path: Path, answers: dict[str, Answer]
) -> None:
    def nonsense(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"what?\r\n\r\n")

    answers[LABELS] = nonsense
    with web_server(answers) as (url, _):
        assert "the connection broke" in failure_of(MirrorSource(url), tmp_path)
