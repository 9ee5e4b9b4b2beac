"""Under which names and addresses this machine can be reached."""

from __future__ import annotations

import socket

EVERYWHERE = frozenset({"0.0.0.0", "::", "[::]"})  # noqa: S104  compared with, not bound to


def reachable_names(host: str) -> list[str]:
    """The names by which visitors may come when the site listens on `host`."""
    return _own_names() if host in EVERYWHERE else [bracketed(host)]


def bracketed(host: str) -> str:
    """As it stands in a URL and in a Host header: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _own_names() -> list[str]:
    names = [socket.gethostname().lower()]
    for family, target in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        # Connecting a datagram socket sends nothing; it only makes the kernel choose the outgoing address.
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((target, 9))
                names.append(bracketed(str(probe.getsockname()[0])))
        except OSError:
            continue  # no network of this kind
    return names
