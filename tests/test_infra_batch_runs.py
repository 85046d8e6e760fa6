"""Records of batch runs: found by id, stack and wrapper; what is no record is named."""

from dataclasses import replace
from pathlib import Path

import pytest

from infra.batch_runs import LISTED, BatchRun, recall, remember
from infra.stacks import StackError

RUN = BatchRun("decorator-1", "local", "decorator", "jobs/1", "models/m@1", "in.jsonl", "0" * 64, "", "gs://b/p")


def test_the_latest_run_of_a_stack_and_wrapper_is_found(tmp_path: Path) -> None:
    """Without an id the newest of the stack, and of the wrapper where one is asked for."""
    other = replace(RUN, id="functional-2", wrapper="functional")
    for run in (RUN, other, replace(RUN, id="decorator-3", stack="prod")):
        remember(run, tmp_path)
    assert recall(tmp_path, "local") == other
    assert recall(tmp_path, "local", wrapper="decorator") == RUN
    assert recall(tmp_path, "prod", "decorator-3").stack == "prod"
    with pytest.raises(StackError, match=r"of wrapper 'functional'. Run with: --wrapper functional"):
        recall(tmp_path, "local", "functional-2", "decorator")


def test_an_unknown_run_names_the_latest_known(tmp_path: Path) -> None:
    """The line stays a line however many jobs there were."""
    for number in range(20):
        remember(replace(RUN, id=f"decorator-{number:02}"), tmp_path)
    with pytest.raises(StackError) as caught:
        recall(tmp_path, "local", "absent")
    line = str(caught.value)
    assert line.count("decorator-") == LISTED
    assert "known: …, decorator-15, " in line
    assert "decorator-19" in line


@pytest.mark.parametrize("text", ["{cut", "{}", '{"id": "x"}', "[]"])
def test_what_is_no_record_is_named_with_the_way_out(tmp_path: Path, text: str) -> None:
    """A damaged file among the records does not become a traceback."""
    remember(RUN, tmp_path)
    (tmp_path / "damaged.json").write_text(text)
    with pytest.raises(StackError, match=r"damaged.json' is no record of a job: .*Run: rm "):
        recall(tmp_path, "local")
