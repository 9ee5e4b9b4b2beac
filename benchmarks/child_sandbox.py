"""What the training child gives up before it touches a submission: network, privileges, resources.

Linux only in its stronger parts; each part that the kernel or container refuses is left out, and the level
reached is told. Standard library only, because it runs before numpy is imported: a user namespace can be
entered only while the process has a single thread, and numpy's libraries start more.
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys
from collections.abc import Mapping
from typing import Any

NAMESPACES = "own user and network namespaces, no capabilities, limits"
NETWORK_ONLY = "own network namespace, no capabilities, limits"
LIMITS_ONLY = "limits only: the kernel or container allows no namespaces"

OPEN_FILES = 256
# Between the signal that CPU seconds are used up and the kill.
CPU_GRACE_SECONDS = 5

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x20080522
_LAST_CAPABILITY = 63


class _CapabilityHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _CapabilityData(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")]


def enter_sandbox(limits: Mapping[str, int], parent_pid: int) -> str:
    """Give up what a training needs not; return the level of isolation reached, in words.

    `limits` holds address_space_bytes, cpu_seconds, file_bytes and processes. Ends the process at once when
    the parent is gone already. Must be called before any other thread starts.
    """
    isolation = LIMITS_ONLY
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        isolation = _leave_network(libc)
        _drop_capabilities(libc)
    _limit_resources(limits, own_process_count=isolation == NAMESPACES)
    if sys.platform == "linux":
        # Last, because changing credentials clears it. It fires when the parent's THREAD ends, so the parent
        # must start the child from a thread that waits for it.
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:  # it died before the line above could help
        os._exit(1)
    return isolation


def _leave_network(libc: Any) -> str:
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0:
        return NAMESPACES
    if libc.unshare(_CLONE_NEWNET) == 0:  # root in a container that forbids user namespaces
        return NETWORK_ONLY
    return LIMITS_ONLY


def _drop_capabilities(libc: Any) -> None:
    for capability in range(_LAST_CAPABILITY + 1):
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    libc.capset(ctypes.byref(header), (_CapabilityData * 2)())


def _limit_resources(limits: Mapping[str, int], *, own_process_count: bool) -> None:
    cpu = max(1, int(limits["cpu_seconds"]))
    _limit(resource.RLIMIT_CPU, cpu, cpu + CPU_GRACE_SECONDS)
    _limit(resource.RLIMIT_AS, limits["address_space_bytes"])
    _limit(resource.RLIMIT_FSIZE, limits["file_bytes"])
    _limit(resource.RLIMIT_NOFILE, OPEN_FILES)
    _limit(resource.RLIMIT_CORE, 0)
    # The kernel counts the processes of the whole account, except in a user namespace of one's own: only
    # there does the limit mean this run.
    if own_process_count and _counts_per_namespace():
        _limit(resource.RLIMIT_NPROC, limits["processes"])


def _limit(which: int, soft: int, hard: int | None = None) -> None:
    ceiling = resource.getrlimit(which)[1]
    wanted = [soft, soft if hard is None else hard]
    if ceiling != resource.RLIM_INFINITY:
        wanted = [min(value, ceiling) for value in wanted]
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(which, (wanted[0], wanted[1]))


def _counts_per_namespace() -> bool:
    release = os.uname().release.split(".")
    with contextlib.suppress(ValueError, IndexError):
        return (int(release[0]), int(release[1])) >= (5, 14)
    return False
