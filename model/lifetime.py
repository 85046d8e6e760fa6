"""Ends a process with the one that started it, so that nothing predicts for a parent that is gone."""

import os
import select
import threading
import time

PARENT = "PARENT_PROCESS"


def starter() -> int:
    """Return the process that started this one; who may be killed meanwhile says who it is in PARENT_PROCESS."""
    return int(os.environ.get(PARENT) or os.getppid())


def die_with(parent: int) -> None:
    """End this process, at once and without cleaning up, when process `parent` has ended.

    A thread watches: the kernel's own PR_SET_PDEATHSIG fires already when the thread ends that started this process.
    """
    threading.Thread(target=_watch, args=(parent,), daemon=True, name="die-with-parent").start()


def _watch(parent: int) -> None:
    try:
        descriptor = os.pidfd_open(parent)
    except (AttributeError, OSError):  # not Linux, or the parent is gone
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)
    if os.getppid() == parent:
        select.select([descriptor], [], [])
    os._exit(1)
