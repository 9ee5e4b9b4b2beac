"""Asks a running site for its health: `python config/probe.py` ends with 0 where it is well.

Standard library only, so that a container's health check costs no Django start.
"""

from __future__ import annotations

import http.client
import os
import sys


def is_healthy(address: str, port: int, host_name: str, seconds: float = 5) -> bool:
    """Whether the site at `address`, asked under the name `host_name`, answers 200 to /healthz."""
    connection = http.client.HTTPConnection(address, port, timeout=seconds)
    try:
        connection.request("GET", "/healthz", headers={"Host": host_name})
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main() -> int:
    # The site answers only under its own names; a leading dot stands for every name below a domain.
    names = os.environ.get("HUMANMARK_ALLOWED_HOSTS", "localhost").split(",")
    host_name = names[0].strip().lstrip(".")
    return 0 if is_healthy("127.0.0.1", int(os.environ.get("PORT", "8000")), host_name) else 1


if __name__ == "__main__":
    sys.exit(main())
