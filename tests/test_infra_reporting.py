"""How tasks end: the one that was asked for says how to go on, not one that it called."""

import json
from itertools import product

import pytest
from invoke import Exit

from infra.errors import InfraError
from infra.reporting import INSIDE, one_line_errors


@one_line_errors(InfraError, interrupted="Run: invoke inner")
def inner(error: BaseException) -> None:
    """Fail."""
    raise error


@one_line_errors(InfraError, interrupted="Run: invoke outer")
def outer(error: BaseException, json: bool = False) -> None:
    """Call another task."""
    del json
    inner(error)


def test_ctrl_c_tells_how_to_go_on_with_what_was_asked_for() -> None:
    """Inside a chain of tasks, and alone, also after a chain was broken off."""
    ended = KeyboardInterrupt(), Exit(code=130)  # of this process, and of an engine that it followed
    for (task, command), error in product(((outer, "invoke outer"), (inner, "invoke inner")), ended):
        with pytest.raises(Exit) as caught:
            task(error)
        assert (caught.value.code, caught.value.message) == (130, f"Interrupted. Run: {command}")
    assert not INSIDE.get()


def test_a_mistake_inside_a_chain_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Its line stays as it is, and is the JSON object's too."""
    with pytest.raises(Exit, match="Wrong") as caught:
        outer(InfraError("Wrong. Run: this"), json=True)
    assert caught.value.code == 1
    assert json.loads(capsys.readouterr().out) == {"error": "Wrong. Run: this"}
