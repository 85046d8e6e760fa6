"""New stack files: complete and commented, written from the table of settings; and what the stacks there are hold."""

import json
import os
import re
from dataclasses import asdict, dataclass
from textwrap import wrap
from typing import Any

from infra.errors import InfraError
from infra.setting_table import GOOGLE, OWN, SETTINGS, Setting
from infra.settings import from_config
from infra.stacks import NAME, ROOT, Stack, StackError, known_stacks, read_stack, stack_path

WIDTH = 110
HEAD = """\
# Stack {name}: Google Cloud project {project}, region {region}. Deploy it with: invoke up --stack {name}
#
# Every setting stands here with what it may be. One with a # before it has its default; to change it, take the # away
# and write another value. This file holds no secret: commit it.
config:
"""


@dataclass(frozen=True)
class Overview:
    """A stack at a glance; `problem` is the one line that refuses its file, or ""."""

    stack: str
    cloud: str
    project: str
    region: str
    models: int
    endpoints: int
    problem: str


def new_stack(name: str, project: str, region: str) -> Stack:
    """Write a new stack's file.

    Raises:
        StackError: the name, project or region cannot be used, or the stack has a file.
    """
    if not re.fullmatch(NAME, name):
        wanted = "1 to 100 letters, digits, '-', '_' and '.'"
        remedy = "Run: invoke stack.new prod --project my-project --region us-central1"
        raise StackError(f"The stack's name is {name!r}; wanted: {wanted}. {remedy}")
    path = stack_path(name)
    if name == "local":
        msg = "Stack 'local' is the local cloud's. Run: invoke local.start"
        raise StackError(msg)
    for option, value in (("project", project), ("region", region)):
        _check(name, option, value)
    path.parent.mkdir(exist_ok=True)
    try:
        with path.open("x") as file:
            file.write(stack_text(name, project, region))
    except FileExistsError:
        msg = f"Stack {name!r} has its file {os.path.relpath(path, ROOT)} already. Edit it, or choose another name"
        raise StackError(msg) from None
    return read_stack(name)


def stack_text(name: str, project: str, region: str) -> str:
    """Return a complete stack file."""
    given = {"gcp:project": project, "gcp:region": region}
    settings = [_entry(setting, given.get(setting.key), project, region) for setting in (*GOOGLE, *OWN)]
    return HEAD.format(name=name, project=project, region=region) + "\n".join(settings)


def overviews() -> list[Overview]:
    """Return every stack that has a file, in the order of names."""
    return [_overview(name) for name in known_stacks()]


def facts(overview: Overview) -> dict[str, Any]:
    """Return an overview for JSON."""
    return asdict(overview)


def _check(name: str, option: str, value: str) -> None:
    try:
        SETTINGS[f"gcp:{option}"].read(value)
    except ValueError as error:
        remedy = f"Run: invoke stack.new {name} --project my-project --region us-central1"
        msg = f"--{option} is {value!r}; wanted: {error}. {remedy}"
        raise StackError(msg) from None


def _entry(setting: Setting, value: str | None, project: str, region: str) -> str:
    default = json.dumps(setting.default_for(project, region))
    told = "" if value else f" Default: {default}"
    words = f"{setting.meaning} Wanted: {setting.wanted}.{told}"
    comment = [f"  # {line}" for line in wrap(words, WIDTH, break_on_hyphens=False, break_long_words=False)]
    line = f"  {setting.key}: {value}" if value else f"  # {setting.key}: {default}"
    return "\n".join([*comment, line, ""])


def _overview(name: str) -> Overview:
    try:
        stack = read_stack(name)
        read = from_config(stack.config, name)
    except InfraError as error:
        return Overview(name, "", "", "", 0, 0, str(error))
    cloud = stack.local_url or "Google Cloud"
    return Overview(name, cloud, read.project, read.region, len(read.models), len(read.endpoints), "")
