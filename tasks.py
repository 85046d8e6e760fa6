"""The path, in reading order: up -> train -> export -> upload -> up -> predict -> results. `demo` runs it whole.

A task calls functions of infra and model, prints a summary for people and, with --json, one object for programs.
What stands beside the path is imported: of infra/steps/ where it needs both infra and model, else of infra/*_tasks.py.
"""

import sys
import time
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Any

from invoke import Collection, Context, Exit

from infra import (
    batch_runs,
    bench_tasks,
    check_tasks,
    coverage_tasks,
    deploy_tasks,
    deployment,
    image_tasks,
    local_admin_tasks,
    local_snapshot_tasks,
    local_tasks,
    migration_tasks,
    own_runs,
    pulumi_tasks,
    sizing_tasks,
    stack_tasks,
    tool_tasks,
)
from infra.bytecode import compile_once
from infra.demo import choose_platform, demo_facts, demo_table, heading, known_platform
from infra.deploy_tasks import deploy, up
from infra.reporting import answer, fraction_bar, hint, job_counter, say
from infra.setting_table import WRAPPERS
from infra.stacks import read_stack, write_setting
from infra.steps import online_tasks, verification_tasks, version_tasks
from infra.steps.instances import instances_file
from infra.steps.own_predictions import predict_here, run_to_come
from infra.steps.places import JOBS, METRICS, MODEL, RESULTS, SAVED_MODELS, step
from infra.steps.uploads import check_operations, upload_model
from infra.task_options import ENGINE, JSON, STACK, WRAPPER, Facts, known_wrapper, need_option, whole_number

# TensorFlow, polars and Google's clients load in seconds: the imports inside tasks keep `invoke --list` instant.
# ruff: noqa: PLC0415

compile_once()

# The model ------------------------------------------------------------------------------------------------------------


@step("The model that was there is unchanged", epochs="passes over the rows", force="even if unchanged", **JSON)
def train(_: Context, epochs: str = "1000", force: bool = False, json: bool = False) -> Facts:
    """Boston housing rows -> build/model.keras and build/metrics.json."""
    from model import train as training

    passes = whole_number("--epochs", epochs, 1000, least=1)
    known = None if force else training.up_to_date(MODEL, METRICS, passes)
    with fraction_bar("train") as bar:
        metrics = known or training.train(
            MODEL, METRICS, passes, progress=lambda done, loss: bar(done, f"loss {loss:.2f}")
        )
    facts = {"model": str(MODEL), "metrics": str(METRICS), **asdict(metrics), "unchanged": bool(known)}
    done = "unchanged" if known else f"{metrics.epochs:,} epochs in {metrics.seconds:.1f} s"
    errors = f"RMSE {metrics.train_rmse:.2f} on training rows, {metrics.test_rmse:.2f} on test rows (1,000 dollars)"
    answer(json, facts, f"{MODEL}: {done}; {errors}")
    return facts


@step(
    "The SavedModels that were there are unchanged",
    key_type="keys of the decorator form: int64 (default) or string",
    force="even if unchanged",
    **JSON,
)
def export(_: Context, key_type: str = "int64", force: bool = False, json: bool = False) -> Facts:
    """build/model.keras -> both keyed SavedModels, each checked against the bare model."""
    from model import export as exporting

    kind: Any = key_type  # export refuses what is none
    known = None if force else exporting.up_to_date(MODEL, SAVED_MODELS, key_type=kind)
    made = known or exporting.export(MODEL, SAVED_MODELS, key_type=kind, progress=say)
    facts = {"exports": [asdict(one) for one in made], "unchanged": bool(known)}
    answer(json, facts, *(exporting.describe(one, unchanged=bool(known)) for one in made))
    return facts


@step("What was uploaded stays, the stack's setting is unchanged. Run again: invoke upload", **STACK, **JSON)
def upload(_: Context, stack: str = "local", json: bool = False) -> Facts:
    """build/saved_model/ -> gs://BUCKET/models/WRAPPER/DIGEST/, and the stack setting that names them."""
    from model.export import checked_digest

    target = read_stack(stack)
    digests = {wrapper: checked_digest(SAVED_MODELS / wrapper) for wrapper in WRAPPERS}
    check_operations(target.setting("servingImage", ""))
    found = deployment.outputs(target)
    models = {wrapper: upload_model(found, wrapper, sha256) for wrapper, sha256 in digests.items()}
    setting = {name: {key: model[key] for key in ("artifactUri", "digest")} for name, model in models.items()}
    changed = write_setting(target, "models", setting)
    rows = [f"{model['artifactUri']}: {model['sent']} of {model['files']} files sent" for model in models.values()]
    facts = {"stack": stack, "models": models, "changed": changed}
    answer(json, facts, *rows, f"Setting 'models' {'written to' if changed else 'unchanged in'} {target.path.name}")
    hint(f"Next: invoke up --stack {stack}")
    return facts


# Predictions ----------------------------------------------------------------------------------------------------------


@step(
    "A job goes on, a run of this machine waits. Follow it, or go on with it: invoke predict --job JOB (named above)",
    instances="seed (the tutorial's ten rows), test (102 rows, default), or a JSON Lines file (not on vertex: or gs://)",
    beam_options="of Beam, with --on beam, such as '--subnetwork=… --max_num_workers=9', or another runner's",
    on="vertex (default: a batch prediction job), local (the engine on this machine) or beam (DirectRunner, Dataflow)",
    job="follow this job again instead of starting one, or go on with this run where it was broken off",
    alias="the version of this alias, such as production (default: the stack's own version)",
    on_duplicate_key="error (default), or keep: such rows cannot be matched to their predictions",
    **WRAPPER,
    **STACK,
    **JSON,
)
def predict(
    _: Context,
    instances: str = "test",
    wrapper: str = "decorator",
    stack: str = "local",
    json: bool = False,
    job: str = "",
    alias: str = "",
    on_duplicate_key: str = "error",
    on: str = "vertex",
    beam_options: str = "",
) -> Facts:
    """Instances (JSON Lines with `key`) -> a batch prediction job, followed to its end; or the same without one."""
    began = time.monotonic()
    found = deployment.outputs(read_stack(stack))
    run = batch_runs.recall(JOBS, stack, job) if job else None
    if (run.on if run else own_runs.known_place(on)) != own_runs.VERTEX:
        run = run or run_to_come(found, instances, known_wrapper(wrapper), stack, on, on_duplicate_key)
        facts = predict_here(found, run, on_duplicate_key, beam_options, go_on=bool(job))
    else:
        if run is None:
            file, targets = instances_file(instances, known_wrapper(wrapper), on_duplicate_key)
            run = batch_runs.submit(found, stack, wrapper, file, targets, alias)
            batch_runs.remember(run, JOBS)
        say(f"job {run.id}: {run.instances} -> {run.model}")
        with job_counter(run.id) as shown:
            facts = batch_runs.facts(run, batch_runs.follow(found, run, shown), time.monotonic() - began)
    counted = f"{facts['predicted']:,} predicted, {facts['failed']:,} failed in {facts['seconds']:.1f} s"
    reasons = [f"Why {facts['failed']:,} failed: invoke results --job {facts['job']}"] if facts["failed"] else []
    answer(json, facts, f"{facts['job']}: {counted}; {facts['output']}", *reasons)
    hint(f"Next: invoke results --job {facts['job']}")
    return facts


@step(
    "Run again: invoke results",
    iterable=["format"],
    job="the job's id (default: the latest)",
    wrapper="of this wrapper",
    predictions="any output folder of a service or of model.batch_predict, here or on gs://: no stack is asked",
    instances="with --predictions: what was sent, here or on gs:// (JSON Lines, CSV, TFRecord, a file list)",
    instances_format="jsonl, csv, tf-record, tf-record-gzip or file-list (default: as the file's name tells)",
    key_field="the instances' field that holds their key (default: key)",
    output="with --predictions: where the results go (default: build/results/ and the folder's name)",
    format="jsonl, csv or parquet (repeat for more; default: all)",
    **STACK,
    **JSON,
)
def results(
    _: Context,
    json: bool = False,
    job: str = "",
    wrapper: str = "",
    stack: str = "local",
    predictions: str = "",
    instances: str = "",
    instances_format: str = "",
    key_field: str = "key",
    output: str = "",
    format: Any = None,  # noqa: A002 - the option's name
) -> Facts:
    """A job's shards + its instances -> build/results/JOB/joined.*; exits 1 unless every row is accounted for."""
    from model.results import asked_instances, find_shards, join, join_places, known_formats, read_targets
    from model.summary import describe

    formats = known_formats(format)
    if predictions:
        name = Path(predictions.rstrip("/")).name
        folder, about = Path(output) if output else RESULTS / name, {"job": name}
        need_option("--instances", instances, "FILE")
        summary = join_places((instances, predictions), folder, formats, instances_format, key_field)
    else:
        run = batch_runs.recall(JOBS, stack, job, known_wrapper(wrapper) if wrapper else "")
        folder, about = RESULTS / run.id, {"wrapper": run.wrapper, "job": run.id}
        found = deployment.outputs(read_stack(stack))
        batch_runs.download(found, run, folder / "shards")
        run = own_runs.with_instances_here(found, run, folder)
        targets = read_targets(Path(run.targets)) if run.targets else None
        shards, errors = find_shards(folder / "shards")
        asked = asked_instances(batch_runs.unchanged_instances(run), shards, instances_format, key_field)
        summary = join(asked, shards, errors, folder, formats, targets)
    facts = {**about, "output": str(folder / "joined.jsonl"), **asdict(summary)}
    files = ", ".join([*(f"joined.{kind}" for kind in formats), "summary.json"])
    answer(json, facts, f"{about['job']}: {describe(summary)}", f"{folder}/: {files}")
    if not summary.complete:
        raise Exit(f"The results of {about['job']} are not complete. See {folder / 'summary.json'}", 1)
    return facts


# The whole path -------------------------------------------------------------------------------------------------------


@step(
    "Everything done so far is kept. Run again to go on: invoke demo",
    platform="vertex-ai, or ai-platform on the local cloud: written into the stack's setting (default: as it is there)",
    **STACK,
    **ENGINE,
    **JSON,
)
def demo(c: Context, stack: str = "local", engine: str = "", platform: str = "", json: bool = False) -> Facts:
    """Run the whole path: local cloud, up, train, export, upload, deploy, predict, results, with both wrappers."""
    began = time.monotonic()
    known_platform(platform)
    with redirect_stdout(sys.stderr):  # the steps' own summaries; stdout is for the demo's
        if stack == "local":
            heading(1, "a local Google Cloud on this machine")
            local_tasks.start(c)
        if platform:
            choose_platform(read_stack(stack), platform)
        heading(2, "the Pulumi program: APIs, bucket, accounts, notebook")
        deployed = up(c, stack=stack, engine=engine)
        heading(3, "the tutorial's Keras model, trained")
        metrics = train(c)
        heading(4, "wrapped in both ways, so that every prediction carries its instance's key")
        export(c)
        heading(5, "the SavedModels, uploaded under their content's digest")
        upload(c, stack=stack)
        if not read_stack(stack).local_url:
            image_tasks.image(c, stack=stack)
        heading(6, "a model, its version and an endpoint that serves it, for each wrapper")
        deploy(c, stack=stack, engine=engine)
        for wrapper in WRAPPERS:
            online_tasks.predict_online(c, wrapper=wrapper, stack=stack)
        heading(7, "102 test rows, predicted by one batch job a wrapper")
        jobs = [predict(c, wrapper=wrapper, stack=stack) for wrapper in WRAPPERS]
        heading(8, "predictions joined to their instances by key")
        joined = [results(c, job=job["job"], stack=stack) for job in jobs]
    facts = demo_facts(stack, deployed["engine"], metrics, jobs, joined, time.monotonic() - began)
    if not json:
        demo_table(facts, MODEL, METRICS, SAVED_MODELS)
    answer(json, facts)
    return facts


# What stands beside it ------------------------------------------------------------------------------------------------


def with_tasks(collection: Collection, *modules: Any) -> Collection:
    """Add every task of some modules to a collection."""
    for module in modules:
        for one in Collection.from_module(module).tasks.values():
            collection.add_task(one)
    return collection


local = Collection.from_module(local_tasks, name="local")
namespace = with_tasks(
    Collection(train, export, upload, predict, results, demo),
    deploy_tasks,
    image_tasks,
    online_tasks,
    verification_tasks,
    version_tasks,
    check_tasks,
    sizing_tasks,
    migration_tasks,
    tool_tasks,
    bench_tasks,
)
namespace.add_collection(with_tasks(local, local_admin_tasks, local_snapshot_tasks, coverage_tasks))
namespace.add_collection(Collection.from_module(stack_tasks, name="stack"))
namespace.add_collection(Collection.from_module(pulumi_tasks, name="pulumi"))
