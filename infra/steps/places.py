"""Where the tasks' files lie, and how a task's mistakes end: those of infra and of model in one line."""

import os
from functools import partial
from pathlib import Path

from infra import task_options
from model.errors import UserError

ROOT = Path(os.path.relpath(Path(__file__).parent.parent.parent))
BUILD = ROOT / "build"
MODEL, METRICS = BUILD / "model.keras", BUILD / "metrics.json"
SAVED_MODELS, INSTANCES = BUILD / "saved_model", BUILD / "instances"
JOBS, RESULTS = BUILD / "jobs", BUILD / "results"

step = partial(task_options.step, mistakes=[UserError])
