"""A run that was broken off goes on where it was: no row lost, none twice, the same bytes as without the break."""

import fcntl
import gzip
import os
import random
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.batch import ROOT, Finished, caught, command, run, start, write_rows


def shards(folder: Path) -> dict[str, bytes]:
    """Return the contents of a run's published files, manifest aside."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("prediction.*"))}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 60,000 rows, one in 50 of them bad."""
    path = tmp_path_factory.mktemp("resume") / "in.jsonl"
    write_rows(path, 60_000)
    lines = path.read_text().splitlines()
    lines[::50] = [f'{{"key": {n}}}' for n in range(0, 60_000, 50)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def uninterrupted(saved_models: Path, source: Path) -> dict[str, bytes]:
    """The shards of a run that nothing broke off."""
    done = run(saved_models / "keyed", [source], source.parent / "whole", "--shards", "3")
    assert done.code == 0, done.stderr
    return shards(done.output)


def kill(saved_models: Path, source: Path, output: Path) -> None:
    """Start a run and end it with SIGKILL once a block is journaled."""
    process = in_the_middle(saved_models, source, output)
    process.kill()
    process.communicate(timeout=60)


def in_the_middle(saved_models: Path, source: Path, output: Path, *options: str) -> "subprocess.Popen[str]":
    """Return a run that is held where a block is journaled and others are not."""
    settings = ("--shards", "3", *options)
    return caught(
        lambda: start(saved_models / "keyed", [source], output, *settings), lambda: has_journal(output), output
    )


def has_journal(output: Path) -> bool:
    """Tell whether a block of a running job is whole."""
    return any(path.stat().st_size for path in (output / ".batch_predict").glob("*.journal"))


def finish(saved_models: Path, source: Path, output: Path, *options: str) -> Finished:
    """Resume a run to its end."""
    done = run(saved_models / "keyed", [source], output, "--resume", *options)
    assert done.code == 0, done.stderr
    return done


def test_resumed_run_equals_an_uninterrupted_one(
    saved_models: Path, source: Path, uninterrupted: dict[str, bytes], tmp_path: Path
) -> None:
    """Kill -9 in the middle, then --resume: byte-identical shards and full counts."""
    output = tmp_path / "out"
    kill(saved_models, source, output)
    assert has_journal(output)
    done = finish(saved_models, source, output)
    assert shards(output) == uninterrupted
    assert (done.summary["instances"], done.summary["predicted"], done.summary["failed"]) == (60_000, 58_800, 1_200)


@pytest.mark.long
def test_a_shard_that_ends_in_damage_is_not_read_again(saved_models: Path, tmp_path: Path) -> None:
    """A stopped run that goes on has one record of a compressed file that is cut off, as one that was never stopped."""
    rows, packed, bad = (tmp_path / name for name in ("rows", "1.jsonl.gz", "2.jsonl"))
    write_rows(rows, 500)
    packed.write_bytes(gzip.compress(rows.read_bytes())[:-9])
    bad.write_text("bad\n" * 20_000)
    options = ("--shards", "20", "--workers", "1")  # so that the compressed file has shards of its own
    whole = run(saved_models / "keyed", [packed, bad], tmp_path / "whole", *options)
    stopped = run(saved_models / "keyed", [packed, bad], tmp_path / "out", *options, "--max-errors", "30")
    assert (stopped.code, stopped.summary["state"], stopped.errors[0]["code"]) == (3, "stopped", "DAMAGED_INPUT")
    assert 0 < stopped.summary["not_attempted"] < 20_000
    done = finish(saved_models, packed, tmp_path / "out", "--input", str(bad), *options)
    assert (done.summary["failed"], shards(done.output)) == (20_001, shards(whole.output))


def test_what_no_journal_entry_vouches_for_is_redone(
    saved_models: Path, source: Path, uninterrupted: dict[str, bytes], tmp_path: Path
) -> None:
    """Bytes behind the last entry, a torn entry, and a shard that was changed meanwhile are cut off and made again."""
    output = tmp_path / "out"
    kill(saved_models, source, output)
    for path in (output / ".batch_predict").glob("*.*s"):
        with path.open("ab") as file:
            file.write(b'{"torn')
    for path in (output / ".batch_predict").glob("*.journal"):
        with path.open("ab") as file:
            file.write(b'{"part": 0, "off')
    results = next(path for path in (output / ".batch_predict").glob("*.results") if path.stat().st_size > 10)
    with results.open("r+b") as file:
        file.write(b"XXXX")
    finish(saved_models, source, output)
    assert shards(output) == uninterrupted


@pytest.fixture(scope="module")
def finished(saved_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, its input and a finished run."""
    folder = tmp_path_factory.mktemp("finished")
    shutil.copytree(saved_models / "two", folder / "model")
    write_rows(folder / "in.jsonl", 10)
    assert run(folder / "model", [folder / "in.jsonl"], folder / "out", "--batch-size", "5").code == 0
    return folder


def test_finished_folder_is_left_alone(finished: Path) -> None:
    """Without --resume a folder with predictions is refused; with it there is nothing to do."""
    source, output = finished / "in.jsonl", finished / "out"
    before = {path.name: path.stat().st_mtime_ns for path in output.iterdir()}
    refused = run(finished / "model", [source], output)
    assert (refused.code, len(refused.stderr.splitlines())) == (2, 1)
    assert "already holds predictions. Choose another --output, or continue them with --resume" in refused.stderr
    again = run(finished / "model", [source], output, "--resume")
    assert (again.code, again.summary["predicted"]) == (0, 10)
    assert {path.name: path.stat().st_mtime_ns for path in output.iterdir()} == before


@pytest.mark.parametrize("change", ["inputs", "model", "batch-size", "shards", "seed", "with-instance", "signature"])
def test_folder_of_another_run_is_refused(saved_models: Path, finished: Path, change: str) -> None:
    """--resume does not mix the rows of other inputs, another model or other settings into a folder."""
    source, model = finished / "in.jsonl", finished / "model"
    options = {
        "batch-size": ["--batch-size", "6"],
        "shards": ["--shards", "2"],
        "seed": ["--seed", "1"],
        "with-instance": ["--with-instance"],
        "signature": ["--signature", "doubled"],
    }.get(change, [])
    before = source.read_bytes()
    if change == "inputs":
        write_rows(source, 10, seed=1)
    if change == "model":
        model = saved_models / "keyed"
    refused = run(model, [source], finished / "out", "--resume", *options)
    source.write_bytes(before)
    assert refused.code == 2
    what = f"inputs: '{source}' is not what it was" if change == "inputs" else change
    assert f"belongs to a run with other {what}. Choose another --output" in refused.stderr


def test_cancelled_run_keeps_what_it_has(
    saved_models: Path, source: Path, uninterrupted: dict[str, bytes], tmp_path: Path
) -> None:
    """SIGTERM publishes whole rows, says what is missing, exits with 143, and the run can still be finished."""
    output = tmp_path / "out"
    process = in_the_middle(saved_models, source, output, "--workers", "1")
    process.terminate()
    process.send_signal(signal.SIGCONT)
    stdout, stderr = process.communicate(timeout=60)
    done = Finished(process.returncode, stdout, stderr, output)
    assert (done.code, done.manifest["state"]) == (143, "cancelled")
    counts = [done.manifest[name] for name in ("predicted", "failed", "not_attempted")]
    assert sum(counts) == done.manifest["instances"] == 60_000
    assert counts[2] > 0
    assert len(done.results) == counts[0]
    finish(saved_models, source, output)
    assert shards(output) == uninterrupted


def test_stopped_run_goes_on_with_a_larger_threshold(saved_models: Path, tmp_path: Path) -> None:
    """What the threshold stopped is continued, not begun again."""
    source, output = tmp_path / "in.jsonl", tmp_path / "out"
    write_rows(source, 100)
    source.write_text("x\n" * 5 + source.read_text())
    assert run(saved_models / "keyed", [source], output, "--max-errors", "1").code == 3
    done = run(saved_models / "keyed", [source], output, "--resume")
    assert (done.code, done.summary["predicted"], done.summary["failed"]) == (0, 100, 5)


def test_two_runs_do_not_share_a_folder(saved_models: Path, tmp_path: Path) -> None:
    """The second run is told to wait or to go elsewhere."""
    source, work = tmp_path / "in.jsonl", tmp_path / "out" / ".batch_predict"
    write_rows(source, 10)
    work.mkdir(parents=True)
    descriptor = os.open(work / "lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    refused = run(saved_models / "keyed", [source], tmp_path / "out")
    os.close(descriptor)
    assert (refused.code, "Another run is writing to" in refused.stderr) == (2, True)


def test_output_that_cannot_be_written_is_refused(saved_models: Path, tmp_path: Path) -> None:
    """A file where the folder should be: one line, exit code 2."""
    write_rows(tmp_path / "in.jsonl", 10)
    (tmp_path / "out").write_text("taken")
    refused = run(saved_models / "keyed", [tmp_path / "in.jsonl"], tmp_path / "out")
    assert (refused.code, len(refused.stderr.splitlines())) == (2, 1)
    assert "Cannot write to" in refused.stderr


def test_full_disk_ends_a_run_that_can_go_on(
    saved_models: Path, source: Path, uninterrupted: dict[str, bytes], tmp_path: Path
) -> None:
    """Where nothing more can be written: exit code 1, one line, and --resume finishes once there is room."""
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))"
    limited = f"import os, resource, sys; {limit}; os.execv(sys.argv[1], sys.argv[1:])"
    engine = command(saved_models / "keyed", [source], tmp_path / "out", "--shards", "3")
    full = subprocess.run(
        [sys.executable, "-c", limited, *engine], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (full.returncode, full.stderr) == (1, "File too large. Nothing is lost: run again with --resume\n")
    finish(saved_models, source, tmp_path / "out")
    assert shards(tmp_path / "out") == uninterrupted


def test_lost_worker_ends_a_run_that_can_go_on(
    saved_models: Path, source: Path, uninterrupted: dict[str, bytes], tmp_path: Path
) -> None:
    """A worker that the system kills (for memory, say) is noticed: exit code 1, one line, and --resume finishes."""
    output = tmp_path / "out"
    process = in_the_middle(saved_models, source, output)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    process.send_signal(signal.SIGCONT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (
        1,
        "A worker process ended with code -9. Nothing is lost: run again with --resume\n",
    )
    finish(saved_models, source, output)
    assert shards(output) == uninterrupted


@pytest.mark.long
def test_kills_at_any_moment_lose_nothing(
    saved_models: Path, source: Path, uninterrupted: dict[str, bytes], tmp_path: Path
) -> None:
    """Twenty rounds of kill -9 at random moments, each on what the one before left."""
    moments = random.Random(3)
    for round_ in range(5):
        output = tmp_path / f"out{round_}"
        for _ in range(4):
            process = start(saved_models / "keyed", [source], output, "--shards", "3", "--resume")
            with suppress(subprocess.TimeoutExpired):
                process.wait(moments.uniform(0.1, 2))
            process.kill()
            process.communicate(timeout=60)
        finish(saved_models, source, output, "--shards", "3")  # all kills may have come before there was a plan
        assert shards(output) == uninterrupted


@pytest.mark.parametrize(
    "how", ["changed", *(pytest.param(how, marks=pytest.mark.long) for how in ("cut off", "removed"))]
)
def test_input_that_is_lost_in_the_middle_ends_a_run_that_can_go_on(
    saved_models: Path, source: Path, uninterrupted: dict[str, bytes], tmp_path: Path, how: str
) -> None:
    """Exit code 1 and one line; where another content may have been read, nothing made of it is kept."""
    content, output, copy = source.read_bytes(), tmp_path / "out", tmp_path / "in.jsonl"
    copy.write_bytes(content)
    process = in_the_middle(saved_models, copy, output, "--workers", "1")
    if how == "removed":
        copy.unlink()
    else:
        copy.write_bytes(content[: len(content) // 2] if how == "cut off" else content.replace(b"1", b"2"))
    process.send_signal(signal.SIGCONT)
    _, errors = process.communicate(timeout=60)
    reason = f"No such file or directory: '{copy}'"
    if how != "removed":
        reason = f"Input '{copy}' changed while it was read: all of it is predicted again"
    assert (process.returncode, errors) == (1, f"{reason}. Nothing is lost: run again with --resume\n")
    copy.write_bytes(content)
    finish(saved_models, copy, output, "--shards", "3")
    here, there = str(copy).encode(), str(source).encode()
    assert {name: data.replace(here, there) for name, data in shards(output).items()} == uninterrupted


LITTLE_MEMORY = """
import os, resource, sys
from model.batch_predict import __main__, worker
make_decoder = worker.instance_decoder

def with_little_memory(signature):  # called in worker processes only, before they read
    with open("/proc/self/statm") as pages:
        taken = int(pages.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (taken + (32 << 20),) * 2)
    return make_decoder(signature)

worker.instance_decoder = with_little_memory
raise SystemExit(__main__.main(sys.argv[1:]))
"""


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells and bounds a process's memory like this")
def test_a_worker_without_memory_ends_a_run_that_can_go_on(saved_models: Path, tmp_path: Path) -> None:
    """A good line that no parser has room for: exit code 1 and one line; with more memory nothing is missing."""
    source, output = tmp_path / "in.jsonl", tmp_path / "out"
    write_rows(source, 400)
    lines = source.read_bytes().splitlines(keepends=True)
    lines[200] = lines[200].replace(b', "key"', b"," + b" " * (56 << 20) + b'"key"')
    source.write_bytes(b"".join(lines))
    arguments = command(saved_models / "keyed", [source], output, "--workers", "1")[3:]
    short = subprocess.run(
        [sys.executable, "-c", LITTLE_MEMORY, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    said = "A worker process has no memory left: fewer --workers need less. Nothing is lost: run again with --resume\n"
    assert (short.returncode, short.stderr) == (1, said)
    done = finish(saved_models, source, output)
    assert (done.summary["predicted"], done.summary["failed"]) == (400, 0)
    whole = run(saved_models / "keyed", [source], tmp_path / "whole", "--workers", "1")
    assert shards(output) == shards(whole.output)
