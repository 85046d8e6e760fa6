"""The process that predicts, as its workers see it: each is given shards and predictions until no shard is left."""

import multiprocessing
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from model.batch_predict.delivery import Delivery
from model.batch_predict.kernel import predict_group
from model.batch_predict.messages import BrokenOff, Done, Inputs, NextShard, Predictions
from model.batch_predict.settings import BrokenOffError
from model.batch_predict.shard import delivered
from model.batch_predict.totals import Totals
from model.batch_predict.worker import Job, work
from model.runner import Runner, load


@dataclass(frozen=True)
class Service:
    """What the threads that serve workers share."""

    runner: "Future[Runner]"
    totals: Totals
    shards: "queue.SimpleQueue[int]"
    batch_size: int
    delivery: Delivery | None = None


def start_workers(job: Job, count: int) -> list[tuple[BaseProcess, Connection]]:
    """Fork the workers: this process has no threads yet, and TensorFlow is not loaded."""
    context = multiprocessing.get_context("fork")
    workers: list[tuple[BaseProcess, Connection]] = []
    for _ in range(count):
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(job, theirs), daemon=True)
        process.start()
        theirs.close()
        workers.append((process, ours))
    return workers


def serve(
    service: Service,
    job: Job,
    workers: Sequence[tuple[BaseProcess, Connection]],
    watches: Sequence[Callable[[Totals], None]],
) -> Runner:
    """Load the model, serve all workers until they end, and return it; each watch is called a few times a second."""
    for number in range(len(job.plan)):
        if not delivered(job.folder, number):
            service.shards.put(number)
    threads = [threading.Thread(target=_attend, args=(service, *worker), daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    runner = load(job.settings.saved_model, job.signature, job.settings.runner)
    service.runner.set_result(runner)
    for thread in threads:
        while thread.is_alive():
            thread.join(0.05)
            _look(watches, service.totals)
    service.totals.ended = True
    _look(watches, service.totals)
    return runner


def _look(watches: Sequence[Callable[[Totals], None]], totals: Totals) -> None:
    for watch in watches:
        watch(totals)


def _attend(service: Service, process: BaseProcess, connection: Connection) -> None:
    """Serve one worker until it ends."""
    try:
        while not isinstance(message := connection.recv(), BrokenOff):
            _answer(service, connection, message)
        service.totals.fail(BrokenOffError(message.message))
    except (EOFError, ConnectionError):
        process.join(1)
        if process.exitcode:
            service.totals.fail(BrokenOffError(f"A worker process ended with code {process.exitcode}"))
    except Exception as error:  # noqa: BLE001 - raised again by the main thread
        service.totals.fail(error)
        connection.close()


def _answer(service: Service, connection: Connection, message: NextShard | Inputs | Done) -> None:
    if isinstance(message, Inputs):
        runner = service.runner.result()
        groups = [predict_group(runner, group, service.batch_size) for group in message.groups]
        connection.send(Predictions(groups, service.totals.stop.is_set()))
    elif isinstance(message, Done):
        service.totals.add(message)
    else:
        if message.whole is not None and service.delivery:
            service.delivery.start(message.whole)
        connection.send(_next_shard(service))


def _next_shard(service: Service) -> int | None:
    if service.totals.stop.is_set():
        return None
    try:
        return service.shards.get_nowait()
    except queue.Empty:
        return None


def end_workers(workers: Sequence[tuple[BaseProcess, Connection]]) -> None:
    """Wait for the workers for a moment, then kill those that are left."""
    for process, connection in workers:
        if process.is_alive():
            process.join(0.5 if process.exitcode is None else 0)
        if process.is_alive():
            process.kill()
        process.join()
        connection.close()
