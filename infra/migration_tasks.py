"""The task `migrate`: a job of the AI Platform that is no more, as a job of Vertex AI."""

import json as jsonlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from invoke import Context, task

from infra.errors import InfraError
from infra.migration import migrate as migrated
from infra.migration import read_job
from infra.reporting import answer, one_line_errors

HELP = {
    "job": "JSON file: the body of AI Platform's jobs.create, or its predictionInput",
    "project": "Google Cloud project (default: the one that the job's model names)",
    "model": "the model's name at Vertex AI: projects/P/locations/R/models/M[@VERSION]",
    "output": "write the new job's body to this file",
    "json": "end stdout with one JSON object; all else goes to stderr",
}


@task(help=HELP)
@one_line_errors(InfraError, interrupted="Nothing was changed")
def migrate(
    _: Context, job: str, project: str = "", model: str = "", output: str = "", json: bool = False
) -> dict[str, Any]:
    """AI Platform's batch prediction job -> Vertex AI's, and what cannot be carried over; sends nothing."""
    made = migrated(read_job(Path(job)), project, model)
    text = jsonlib.dumps(made.body, indent=2)
    if output:
        _write(Path(output), f"{text}\n")
    lines = [f"POST {made.parent}/batchPredictionJobs", output or text]
    lines += [f"not carried over: {entry}" for entry in made.lost] or ["everything is carried over"]
    answer(json, asdict(made), *lines, *(f"different: {entry}" for entry in made.differs))
    return asdict(made)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise InfraError(f"Cannot write {str(path)!r}: {error.strerror}. Give another --output") from None
