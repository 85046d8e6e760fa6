"""The tasks of who changes this bundle: what they hand to the tools."""

import shlex
from unittest.mock import patch

from invoke import Context, Result

from infra import tool_tasks


def test_what_is_to_match_reaches_pytest_as_it_was_written() -> None:
    """Quotes and spaces are pytest's to read, not the shell's; without --long the long tests stay out."""
    with patch.object(Context, "run", return_value=Result()) as run:
        tool_tasks.test(Context(), match="it's or $HOME")
        tool_tasks.test(Context(), long=True)
    some, every = (shlex.split(call.args[0]) for call in run.call_args_list)
    assert some[-5:] == ["pytest", "-m", "not long", "-k", "it's or $HOME"]
    assert every[-1] == "pytest"
