"""Names derived from the stack's fit Google's limits, and those of different stacks differ."""

import re

from hypothesis import given
from hypothesis import strategies as st

from infra.names import Names

STACKS = st.text(st.sampled_from("abcXYZ019-_."), min_size=1, max_size=100)


@given(STACKS)
def test_every_name_fits_its_api(stack: str) -> None:
    """Whatever a stack is called, accounts, notebook, models, endpoints and labels have names that Google takes."""
    names = Names("my-project", stack)
    for account in (names.prediction_account, names.notebook_account):
        assert re.fullmatch(r"[a-z]([-a-z0-9]{4,28}[a-z0-9])", account)
    assert re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])", names.notebook)
    assert re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", names.model("functional"))
    assert re.fullmatch(r"[1-9][0-9]{8}", names.endpoint("functional"))
    assert re.fullmatch(r"[a-z0-9_-]{1,63}", names.label)


@given(STACKS, STACKS)
def test_two_stacks_do_not_meet(one: str, other: str) -> None:
    """Stacks that differ in a letter that a name cannot carry have different names all the same."""
    first, second = Names("my-project", one), Names("my-project", other)
    assert (first.prediction_account == second.prediction_account) == (one == other)
    assert (first.model("decorator") == second.model("decorator")) == (one == other)
    assert (first.endpoint("decorator") == second.endpoint("decorator")) == (one == other)


def test_plain_names_stay_readable() -> None:
    """A stack with a short plain name is seen in its resources' names."""
    names = Names("local-project", "local")
    assert names.model("functional") == "housing-functional-local"
    assert names.prediction_account == "prediction-local"
    assert names.notebook == "notebook-local"
