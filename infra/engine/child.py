"""What the engine's child processes run: the user's program, or the SDK's server of dynamic resources.

Started by path, so nothing of this package is imported here: the process must look to the program as under the
Pulumi CLI. The job comes as one line of JSON on stdin; when stdin closes after it, the engine is gone.
"""

import asyncio
import gc
import json
import logging
import os
import runpy
import signal
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

THREADS = 128  # each registration blocks one until the engine answers
FAILED = 1
PATIENT = (200_000, 20, 20)  # collections of garbage take a fifth of the time that a program's imports take


def main() -> int:
    """Do what the job on stdin says."""
    gc.set_threshold(*PATIENT)
    if sys.argv[1] == "dynamic":
        _die_with_engine(_own_stdin())
        sys.argv = sys.argv[:1]
        sys.path.insert(0, str(Path.cwd()))
        runpy.run_module("pulumi.dynamic", run_name="__main__", alter_sys=True)
        return 0
    # Both before the job is there: the engine starts its services meanwhile.
    import pulumi  # noqa: PLC0415

    stdin = _own_stdin()
    job = json.loads(_read_line(stdin))
    _die_with_engine(stdin)
    return _run_program(pulumi, job)


def _own_stdin() -> int:
    # The program, and what it starts, read from /dev/null; the pipe stays with the guard alone.
    pipe = os.dup(0)
    os.set_inheritable(pipe, False)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return pipe


def _read_line(pipe: int) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(pipe, 1 << 16)
        if not part:
            os._exit(FAILED)
        line += part
    return line


def _die_with_engine(pipe: int) -> None:
    def guard() -> None:
        while os.read(pipe, 1 << 16):
            pass
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=guard, daemon=True).start()


def _run_program(pulumi: Any, job: dict[str, Any]) -> int:
    program = Path(job["program"])
    folder = program if program.is_dir() else program.parent
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    sys.argv = [str(program)]
    pulumi.runtime.set_all_config(job["config"], job["secret_keys"])
    pulumi.runtime.settings.ROOT.set(None)
    pulumi.runtime.configure(pulumi.runtime.Settings(**job["settings"]))
    # Each debug message would be a call to the engine, which shows none: several for every resource.
    pulumi.log.debug = lambda *_, **__: None
    # Tasks that nobody awaits any more are the SDK's way; they are no news to a user.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.set_default_executor(ThreadPoolExecutor(THREADS))

    def run() -> None:
        runpy.run_path(str(program), run_name="__main__")

    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(run))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
    except SystemExit as error:
        return _exit_code(pulumi, error)
    except Exception as error:  # noqa: BLE001  (whatever the program raised is shown as its own)
        pulumi.log.error(_story(error, folder))
    else:
        return 0
    return FAILED


def _exit_code(pulumi: Any, error: SystemExit) -> int:
    if isinstance(error.code, str):
        pulumi.log.error(error.code)
        return FAILED
    return error.code or 0


def _story(error: BaseException, folder: Path) -> str:
    """Tell an exception with the program's own frames alone."""
    root = error
    while root.__cause__ is not None and not _own_frames(root.__traceback__, folder):
        root = root.__cause__
    told = traceback.TracebackException.from_exception(root, compact=True)
    own = _own_frames(root.__traceback__, folder)
    told.stack = traceback.StackSummary.from_list([frame for frame in told.stack if frame.filename in own])
    told.__cause__ = told.__context__ = None
    text = "".join(told.format()).rstrip()
    return text if own or isinstance(root, SyntaxError) else "".join(told.format_exception_only()).rstrip()


def _own_frames(stack: TracebackType | None, folder: Path) -> set[str]:
    files = {frame.f_code.co_filename for frame, _ in traceback.walk_tb(stack)}
    return {file for file in files if Path(file).is_relative_to(folder) and "site-packages" not in Path(file).parts}


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of the program that still run must not hold the process: nothing waits for them under the CLI either.
    os._exit(code)
