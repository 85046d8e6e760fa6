"""What the tasks share: their options' help, and how mistakes and Ctrl-C end them."""

from collections.abc import Callable
from typing import Any

from invoke import task

from infra.errors import InfraError
from infra.reporting import one_line_errors
from infra.setting_table import WRAPPERS

STACK = {"stack": "the stack: infra/stacks/Pulumi.STACK.yaml (default: local)"}
JSON = {"json": "end stdout with one JSON object; all else goes to stderr"}
ENGINE = {"engine": "embedded (local stacks' default) or pulumi (the CLI on PATH; Google Cloud's)"}
DEPLOY = {
    **STACK,
    **ENGINE,
    **JSON,
    "target": "only the resource of this URN and what it needs (repeat for more)",
    "refresh": "read the real state of every resource first",
    "expect_no_changes": "fail where anything would change",
}
WRAPPER = {"wrapper": "functional or decorator (default: decorator)"}
AGAIN = "What was deployed is saved. Run the same command again to go on"

Facts = dict[str, Any]


def step(
    interrupted: str, *, mistakes: Any = (), iterable: Any = (), **help_texts: Any
) -> Callable[[Callable[..., Any]], Any]:
    """Make a task whose mistakes (exception classes) end in one line, and Ctrl-C in how to go on.

    `iterable` names the options that may be repeated; every other argument is an option's help.
    """
    guard = one_line_errors(InfraError, *mistakes, interrupted=interrupted)
    return lambda body: task(help=help_texts, iterable=list(iterable))(guard(body))


def whole_number(option: str, text: str, example: int, least: int | None = None) -> int:
    """Read an option's number: invoke itself answers what is none with a traceback."""
    wanted = "a whole number" if least is None else f"a whole number from {least} on"
    try:
        number = int(text)
    except ValueError:
        raise InfraError(f"{option} is {text!r}; wanted: {wanted}. Run with: {option} {example}") from None
    if least is not None and number < least:
        raise InfraError(f"{option} is {text!r}; wanted: {wanted}. Run with: {option} {example}")
    return number


def decimal(option: str, text: str, example: float) -> float:
    """Read an option's number, not negative and not infinite."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise InfraError(f"{option} is {text!r}; wanted: a number from 0 on. Run with: {option} {example:g}")
    return number


def need_option(option: str, value: str, example: str) -> None:
    """Refuse a command line that lacks an option."""
    if not value:
        raise InfraError(f"{option} is missing. Run with: {option} {example}")


def known_wrapper(name: str) -> Any:
    """Refuse a wrapper that there is not."""
    if name not in WRAPPERS:
        raise InfraError(f"No wrapper {name!r}. Run with: --wrapper {WRAPPERS[0]}, or --wrapper {WRAPPERS[1]}")
    return name
