"""Runs the parts of a site on one machine: starts them, restarts those that die, ends them all."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FrameType
from typing import NamedTuple

from config import lifeline
from config.parts import Part, keep_small

STOP_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
GENTLE_SECONDS = 5.0
LOG_CHECK_SECONDS = 30.0
TOO_MANY_DEATHS = 3


class StartError(Exception):
    """The site cannot start; a plain sentence that says what to do."""


class StopRequestedError(Exception):
    """Somebody asked the site to stop."""


class SignalInbox:
    """Signals as bytes on a socket: they interrupt waiting, and nothing else."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def __enter__(self) -> SignalInbox:
        for signum in (*STOP_SIGNALS, signal.SIGCHLD):
            # Started with nohup, the site outlives its terminal.
            if signum != signal.SIGHUP or signal.getsignal(signum) != signal.SIG_IGN:
                signal.signal(signum, self._ignore)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._reader.close()
        self._writer.close()

    def wait(self, seconds: float) -> set[int]:
        """The signals that came, after at most this time."""
        select.select([self._reader], [], [], seconds)
        try:
            return set(self._reader.recv(4096))
        except BlockingIOError:
            return set()

    def _ignore(self, _signum: int, _frame: FrameType | None) -> None:
        """A handler must exist for its signal to be written to the socket."""


class Stage(NamedTuple):
    """Parts that start together, and how to see that the next stage may start."""

    parts: Sequence[Part]
    is_ready: Callable[[], bool]


class Supervisor:
    """Starts stage after stage; the first one, on which the others depend, ends last."""

    def __init__(self, stages: Sequence[Stage], say: Callable[[str], None]) -> None:
        self._stages = stages
        self._parts: list[Part] = []
        self._say = say
        self._logs_checked_at = time.monotonic()

    def run(self, welcome: Callable[[], None], seconds: float = 90) -> None:
        """Start everything, call `welcome`, and stay until asked to stop.

        Raises StartError where a part does not come up. In every case nothing is left running.
        """
        lifeline.adopt_orphans()
        with SignalInbox() as inbox:
            try:
                for stage in self._stages:
                    self._start(stage, inbox, seconds)
                welcome()
                while True:
                    self._attend(inbox, 1.0)
            except StopRequestedError:
                self._say("Stopping.")
            finally:
                self._stop(inbox)

    def _start(self, stage: Stage, inbox: SignalInbox, seconds: float) -> None:
        for part in stage.parts:
            self._parts.append(part)
            part.start()
        deadline = time.monotonic() + seconds
        while not stage.is_ready():
            self._attend(inbox, 0.1)
            failing = next((part for part in stage.parts if part.quick_deaths >= TOO_MANY_DEATHS), None)
            if failing is not None:
                raise StartError(f"{failing.title} does not start; {failing.log} says why")
            if time.monotonic() > deadline:
                logs = stage.parts[0].log.parent
                raise StartError(
                    f"the site did not answer within {seconds:.0f} s; the logs in {logs} say why"
                )

    def _attend(self, inbox: SignalInbox, seconds: float) -> None:
        """Wait a moment, then see to parts that ended. Raises StopRequestedError when asked to stop."""
        due = [part.restart_at - time.monotonic() for part in self._parts if part.process is None]
        if inbox.wait(max(0.0, min([seconds, *due]))) & STOP_SIGNALS:
            raise StopRequestedError
        for part in self._parts:
            if part.has_ended():
                self._report(part)
                self._end_orphans()
            elif part.is_due():
                part.start()
        if time.monotonic() - self._logs_checked_at > LOG_CHECK_SECONDS:
            self._logs_checked_at = time.monotonic()
            self._end_orphans()
            for part in self._parts:
                keep_small(part.log)

    def _report(self, part: Part) -> None:
        how = _how_it_ended(part.process.returncode if part.process else 0)
        pause = part.schedule_restart()
        when = "starting it again" if pause < 2 else f"next try in {pause:.0f} s; its log is {part.log}"
        self._say(f"{part.title[0].upper()}{part.title[1:]} ended ({how}); {when}.")

    def _end_orphans(self) -> None:
        """Kill and reap what parts that died left behind; a training child, say, in a session of its own."""
        own = {part.process.pid for part in self._parts if part.process is not None}
        while orphans := lifeline.children() - own:
            for pid in orphans:
                _kill_and_reap(pid)

    def _stop(self, inbox: SignalInbox) -> None:
        first = [part for part in self._stages[0].parts if part in self._parts]
        self._end([part for part in self._parts if part not in first], inbox)
        self._end(first, inbox)
        while left := lifeline.descendants():
            for pid in left:
                _kill_and_reap(pid)

    def _end(self, parts: Sequence[Part], inbox: SignalInbox) -> None:
        for part in parts:
            part.ask_to_end()
        begun = time.monotonic()
        alive = [part for part in parts if part.process is not None]
        while alive and time.monotonic() < begun + GENTLE_SECONDS:
            alive = [part for part in alive if not part.has_ended()]
            asked_again = bool(alive) and bool(inbox.wait(0.2) & STOP_SIGNALS)
            # The same request often comes twice at once, from the terminal and from make.
            if asked_again and time.monotonic() > begun + 1:
                break
        for part in alive:
            part.kill()


def _how_it_ended(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"


def _kill_and_reap(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    # Only children can be waited for; deeper ones become children as soon as their parents are gone.
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)
