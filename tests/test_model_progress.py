"""People see how far a run is, on a terminal; programs and files get the summary alone."""

import os
import pty
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from model import telling
from model.batch_predict import progress
from model.batch_predict.shard import Counts
from model.batch_predict.totals import Totals
from model.beam_predict.progress import line_of
from tests.batch import ROOT, command, run, write_rows


def on_a_terminal(arguments: list[str]) -> str:
    """Run a command whose standard error is a terminal, and return what stands there."""
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        arguments, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=theirs, env={**os.environ, "TERM": "xterm-256color"}
    )
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 1 << 16):
            shown += chunk
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert done.wait(60) == 0
    return shown.decode(errors="replace")


def test_a_terminal_shows_a_bar_and_a_pipe_shows_nothing(saved_models: Path, tmp_path: Path) -> None:
    """Rows, failures and rows per second; piped, one line of the counts and one of each warning."""
    write_rows(tmp_path / "in.jsonl", 3000)
    with (tmp_path / "in.jsonl").open("a") as file:
        file.write("broken\n")
    shown = on_a_terminal(command(saved_models / "keyed", [tmp_path / "in.jsonl"], tmp_path / "seen"))
    assert "3,001 rows, 1 failed" in shown
    assert "rows/s" in shown
    piped = run(saved_models / "keyed", [tmp_path / "in.jsonl"], tmp_path / "piped").stderr.splitlines()
    assert [line.split()[0] for line in piped] == ["3,001", "warning:"]


def test_what_was_done_before_is_no_speed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A resumed run counts all rows, and tells rate and time left of those it did itself."""
    shards = {"1": Counts(instances=1000), "2": Counts(instances=200, failed=3)}
    assert line_of(shards, 6, 1000, 2.0) == "2 of 6 shards, 1,200 rows, 3 failed, 100 rows/s, 24 s left"
    assert line_of({}, 6, 0, 2.0) == "0 of 6 shards, 0 rows, 0 failed, 0 rows/s"
    now = [100.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    watch, totals = progress.watch_lines(), Totals(1000)
    totals.counts, totals.read_bytes = Counts(instances=500), 500
    watch(totals)
    now[0] += 10
    totals.counts, totals.read_bytes = Counts(instances=700, failed=1), 700
    watch(totals)
    assert capsys.readouterr().err == "700 rows, 1 failed, 70%, 20 rows/s, 15 s left\n"


def test_a_long_join_tells_how_far_it_is(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """At a terminal, now and then; piped, nothing; and what is told of goes by unchanged."""
    now = iter(range(0, 1000, 3))
    monkeypatch.setattr(telling, "time", SimpleNamespace(monotonic=lambda: next(now)))
    assert [*telling.told(range(4), "rows read", 4)] == [0, 1, 2, 3]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert [*telling.told(range(4), "rows read", 4)] == [0, 1, 2, 3]
    said = capsys.readouterr().err.splitlines()
    assert said == ["rows read: 1 of 4, 0.2 a second, 18 s left", "rows read: 3 of 4, 0.2 a second, 4 s left"]
