"""A folder for one run: private, always wiped, also after the process that made it was killed."""

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PREFIX = "humanmark-run-"
_LOCK_FILE = "in-use"
# A folder this young may not have its lock yet.
_ABANDONED_AFTER_SECONDS = 60


@contextlib.contextmanager
def private_folder(parent: Path | None = None) -> Iterator[Path]:
    """A new folder of mode 0700 inside `parent` (the system's temporary folder if None), wiped at the end.

    Folders that killed processes left in the same place are wiped on the way: the lock on a file inside says
    whether the maker still lives, because the kernel releases it with the process.
    """
    base = Path(tempfile.gettempdir()) if parent is None else parent
    wipe_abandoned(base)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
    try:
        with (folder / _LOCK_FILE).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        wipe(folder)


def wipe_abandoned(base: Path) -> None:
    """Remove the run folders in `base` whose makers are gone."""
    for folder in base.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            old = time.time() - folder.lstat().st_mtime > _ABANDONED_AFTER_SECONDS
            if old and folder.lstat().st_uid == os.geteuid() and not _is_in_use(folder):
                wipe(folder)


def wipe(folder: Path) -> None:
    """Remove a folder and all in it, also where its owner took away his own permissions; follows no link."""
    with contextlib.suppress(OSError):
        folder.chmod(0o700)
    for place, folders, _ in os.walk(folder):
        for name in folders:
            path = Path(place, name)
            if stat.S_ISDIR(path.lstat().st_mode):
                with contextlib.suppress(OSError):
                    path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _is_in_use(folder: Path) -> bool:
    if not stat.S_ISDIR(folder.lstat().st_mode):
        return True  # not made by us: hands off
    try:
        descriptor = os.open(folder / _LOCK_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
