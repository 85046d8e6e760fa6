"""What invoke's tasks take, asked as often as the tests like."""

from functools import cache
from typing import Any

from invoke import Argument, Task


@cache
def arguments_of(task: Task[Any]) -> list[Argument]:
    """Return a task's arguments; `get_arguments` takes the help texts out of the task, so the first answer is kept."""
    return task.get_arguments()
