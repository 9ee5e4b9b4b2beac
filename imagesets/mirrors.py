"""Official download sites. Only the addresses in the specs are ever asked, and no answer is trusted."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from imagesets.idx import CHUNK
from imagesets.specs import PARTS, ImageSetSpec
from imagesets.verification import Progress, SourceError

_USER_AGENT = "humanmark"


@dataclass(frozen=True)
class MirrorSource:
    """A folder on a web server with the four files.

    `timeout_s` is the longest silence and `deadline_s` the longest time for one file, in seconds: a
    server that sends a byte now and then would pass the first for ever.
    """

    url: str
    timeout_s: float = 20.0
    deadline_s: float = 600.0

    @property
    def name(self) -> str:
        return f"mirror {self.url}"

    def fetch(self, spec: ImageSetSpec, workdir: Path, progress: Progress) -> Iterator[tuple[str, Path]]:
        for part in sorted(PARTS, key=spec.part_bytes):
            file_name = spec.files[part].name
            path = workdir / file_name
            # Deflate makes incompressible data larger by far less than one part in a hundred.
            size_limit = spec.part_bytes(part) * 101 // 100 + 65_536
            try:
                self._download(file_name, path, size_limit, progress)
            except urllib.error.HTTPError as error:
                raise SourceError(f"{file_name}: the server answered {error.code} {error.reason}") from error
            except urllib.error.URLError as error:
                raise SourceError(f"{file_name}: cannot be reached ({error.reason})") from error
            except TimeoutError as error:
                raise SourceError(f"{file_name}: no answer for {self.timeout_s:g} s") from error
            except (http.client.HTTPException, ConnectionError) as error:
                raise SourceError(f"{file_name}: the connection broke ({error!r})") from error
            yield part, path

    def _download(self, file_name: str, path: Path, size_limit: int, progress: Progress) -> None:
        give_up_at = time.monotonic() + self.deadline_s
        request = urllib.request.Request(self.url + file_name, headers={"User-Agent": _USER_AGENT})  # noqa: S310
        with _opener().open(request, timeout=self.timeout_s) as answer, path.open("xb") as file:
            promised = answer.length or 0  # unknown where the answer comes in pieces
            received = 0
            # read1 returns what has come: the deadline is looked at even when little comes.
            while chunk := answer.read1(CHUNK):
                received += len(chunk)
                if received > size_limit:
                    raise SourceError(f"{file_name}: larger than the {size_limit:,} bytes it can have")
                if time.monotonic() > give_up_at:
                    raise SourceError(f"{file_name}: not complete after {self.deadline_s:g} s")
                file.write(chunk)
                progress(f"downloading {file_name}", min(received / (promised or size_limit), 1.0))
        if received < promised:
            raise SourceError(f"{file_name}: the connection broke after {received:,} of {promised:,} bytes")


def _opener() -> urllib.request.OpenerDirector:
    """Return an opener for web addresses only: a redirect can lead to no file, FTP or data address."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    return opener
