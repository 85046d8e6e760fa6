"""`--max-errors` while a pipeline runs: finished shards leave their counts in names, and who begins another adds up."""

import re

from model.beam_predict.failures import place_in_shards
from model.beam_predict.files import names_in, whole
from model.beam_predict.work import WORK, ShardDone, Work

NAME = re.compile(r"(\d+)\.(\d+)-of-(\d+)\.failed")
STEP = re.compile(r" \[while running '[^']*'\]\s*$")  # what Beam puts behind a message
SAID = re.compile(r"TooManyFailuresError: (.*)")  # in the traceback that Beam sends


class TooManyFailuresError(Exception):
    """More rows failed than may."""


def note_failures(work: Work, done: ShardDone) -> None:
    """Leave a shard's counts where others look."""
    if work.settings.max_errors:
        name = f"{done.number:05d}.{done.counts.failed}-of-{done.counts.instances}.failed"
        with whole(work.place(WORK, name)):
            pass


def check_failures(work: Work) -> None:
    """See that no more rows failed than may; a percentage is of all rows, which are estimated from finished shards.

    Raises:
        TooManyFailuresError: more did.
    """
    limit = work.settings.max_errors
    found = [match for match in map(NAME.fullmatch, names_in(work.place(WORK))) if match] if limit else []
    if not limit or not found:
        return
    failed, instances = (sum(int(match[group]) for match in found) for group in (2, 3))
    allowed = limit.allowed(instances * work.plan.shards / len(found))
    if failed > allowed:
        place = place_in_shards(work, [int(match[1]) for match in found], int(allowed))
        msg = f"more than {limit} failed, at {place}; {failed:,} in {len(found)} of {work.plan.shards} shards"
        raise TooManyFailuresError(msg)


def stopped_by(error: Exception) -> str | None:
    """Return what a pipeline was stopped for, if that were too many failures."""
    match = SAID.search(f"{type(error).__name__}: {error}")
    return without_step(match[1]) if match else None


def without_step(message: str) -> str:
    """Return what a step raised, without the step's name, which means nothing to a user."""
    return STEP.sub("", message.strip()).strip()
