"""The queue of batch prediction jobs: two run at a time; those that a restart finds unfinished go on."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait

from infra.emulator.batch_jobs import FINISHED, JOBS, PENDING, QUEUED, change
from infra.emulator.batch_runs import run_job, stopping
from infra.emulator.calls import Cloud, on_start, on_stop
from infra.emulator.resources import Json

AT_A_TIME = 2  # jobs; each has workers of its own

_pool = ThreadPoolExecutor(max_workers=AT_A_TIME, thread_name_prefix="batch-run")
_lock = threading.Lock()
_waiting: list[Future[None]] = []


def submit(cloud: Cloud, name: str) -> None:
    """Run a job when its turn comes; while others are before it, it is queued."""
    with _lock:
        _waiting[:] = [future for future in _waiting if not future.done()]
        if len(_waiting) >= AT_A_TIME:
            change(cloud, name, _queued)
        _waiting.append(_pool.submit(run_job, cloud, name))


def _queued(body: Json) -> Json:
    return {**body, "state": QUEUED} if body["state"] == PENDING else body


@on_start
def resume(cloud: Cloud) -> None:
    """Take up every job that has not finished, in the order they were made."""
    stopping.clear()
    for name, body in cloud.resources.list(JOBS):
        if body["state"] not in FINISHED:
            submit(cloud, name)


@on_stop
def stop(_cloud: Cloud) -> None:
    """End the engines; their jobs stay unfinished."""
    stopping.set()
    with _lock:
        wait([future for future in _waiting if not future.cancel()])
        _waiting.clear()
