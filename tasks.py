"""The path, in reading order: up -> train -> export -> upload -> up -> predict -> results. `demo` runs it whole.

A task calls functions of infra and model, prints a summary for people and, with --json, one object for programs.
"""

import json as jsonlib
import os
import shlex
import sys
import time
from contextlib import redirect_stdout
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from invoke import Collection, Context, Exit, task

from infra import (
    batch_runs,
    bench_tasks,
    check_tasks,
    coverage_tasks,
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
    task_options,
)
from infra.demo import demo_facts, demo_table, heading
from infra.deploy_tasks import deploy, destroy, hand_over, outputs, preview, refresh, up
from infra.errors import InfraError
from infra.platforms import need_aliases
from infra.reporting import answer, fraction_bar, hint, job_counter, say
from infra.serving_image import PREBUILT
from infra.setting_table import WRAPPERS
from infra.settings import NAMESPACE, from_config
from infra.stacks import Stack, read_stack, write_setting
from infra.task_options import ENGINE, JSON, STACK, WRAPPER, Facts, decimal, known_wrapper, need_option, whole_number
from model.errors import UserError

# TensorFlow, polars and Google's clients load in seconds: the imports inside tasks keep `invoke --list` instant.
# ruff: noqa: PLC0415

ROOT = Path(os.path.relpath(Path(__file__).parent))
BUILD = ROOT / "build"
MODEL, METRICS = BUILD / "model.keras", BUILD / "metrics.json"
SAVED_MODELS, INSTANCES = BUILD / "saved_model", BUILD / "instances"
JOBS, RESULTS = BUILD / "jobs", BUILD / "results"

step = partial(task_options.step, mistakes=[UserError])


# The model ------------------------------------------------------------------------------------------------------------


@step("The model that was there is unchanged", epochs="passes over the rows", force="even if unchanged", **JSON)
def train(_: Context, epochs: str = "1000", force: bool = False, json: bool = False) -> Facts:
    """Boston housing rows -> build/model.keras and build/metrics.json."""
    from model import train as training

    passes = whole_number("--epochs", epochs, 1000)
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
    "Nothing was changed",
    instances="seed, test (default), or a file, folder or pattern of instances in any format that jobs take",
    saved_model="of this SavedModel (default: build/saved_model/WRAPPER); uploaded: the one the stack's setting names",
    signature="the function of the SavedModel (default: serving_default)",
    instances_format="jsonl, csv, tf-record, tf-record-gzip or file-list (default: as the files' names tell)",
    on_duplicate_key="error (default), or keep: such rows cannot be matched to their predictions",
    **WRAPPER,
    **STACK,
    **JSON,
)
def validate(
    _: Context,
    instances: str = "test",
    saved_model: str = "",
    wrapper: str = "decorator",
    signature: str = "serving_default",
    instances_format: str = "",
    on_duplicate_key: str = "error",
    stack: str = "local",
    json: bool = False,
) -> Facts:
    """Instances -> what a job would say of each, before one is paid for; exits 1 where any would fail."""
    from model.batch_predict.validation import describe, passes, settings_of, validate

    policy = known_policy(on_duplicate_key)
    file = str(sample_files(instances, known_wrapper(wrapper))[0])
    folder = SAVED_MODELS / wrapper if not saved_model else Path(saved_model)
    if saved_model == "uploaded":
        folder = uploaded_model(stack, wrapper)
    with fraction_bar("validate") as bar:
        watch = partial(validation_progress, bar)
        facts = validate(settings_of(folder, file, signature, instances_format), watch)
    answer(json, facts, *describe(facts, policy))
    if not passes(facts, policy):
        raise Exit(f"{file} would not be predicted whole", 1)
    return facts


@step(
    "The job goes on. Follow it: invoke predict --job JOB (named above); then: invoke results",
    instances="seed (the tutorial's ten rows), test (102 rows, default), or a JSON Lines file (not on vertex: or gs://)",
    beam_options="of Beam, with --on beam, such as '--subnetwork=… --max_num_workers=9', or another runner's",
    on="vertex (default: a batch prediction job), local (the engine on this machine) or beam (DirectRunner, Dataflow)",
    job="follow this job again instead of starting one",
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
    if own_runs.known_place(on) != own_runs.VERTEX:
        return predict_here(found, instances, known_wrapper(wrapper), stack, on, on_duplicate_key, beam_options, json)
    if job:
        run = batch_runs.recall(JOBS, stack, job)
    else:
        file, targets = instances_file(instances, known_wrapper(wrapper), on_duplicate_key)
        run = batch_runs.submit(found, stack, wrapper, file, targets, alias)
        batch_runs.remember(run, JOBS)
    say(f"job {run.id}: {run.instances} -> {run.model}")
    with job_counter(run.id) as shown:
        done = batch_runs.follow(found, run, shown)
    facts = batch_runs.facts(run, done, time.monotonic() - began)
    counted = f"{facts['predicted']:,} predicted, {facts['failed']:,} failed in {facts['seconds']:.1f} s"
    answer(json, facts, f"{run.id}: {counted}; {facts['output']}")
    hint(f"Next: invoke results --job {run.id}")
    return facts


def predict_here(  # a task's options
    found: Facts,
    instances: str,
    wrapper: str,
    stack: str,
    on: str,
    on_duplicate_key: str,
    beam_options: str,
    json: bool,
) -> Facts:
    """Predict without the prediction service: by the batch engine, here or on Beam, from and to the same places."""
    began = time.monotonic()
    targets = None
    if not instances.startswith("gs://"):
        file, targets = instances_file(instances, wrapper, on_duplicate_key)
        instances = str(file)
    run = own_runs.plan_run(found, stack, wrapper, instances, targets, on)
    say(f"run {run.id}: {run.instances} -> {run.model}, on {on}")
    facts = own_runs.facts(run, own_runs.predict(found, run, shlex.split(beam_options)), time.monotonic() - began)
    batch_runs.remember(run, JOBS)
    counted = f"{facts['predicted']:,} predicted, {facts['failed']:,} failed in {facts['seconds']:.1f} s"
    answer(json, facts, f"{run.id}: {counted}; {facts['output']}")
    hint(f"Next: invoke results --job {run.id}")
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
    from model.results import asked_instances, find_shards, join, join_places, read_targets
    from model.summary import describe
    from model.tables import FORMATS

    formats = tuple(format or FORMATS)
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


@step(
    "Nothing was changed. Run again: invoke verify",
    instances="seed (the tutorial's ten rows), test (102 rows, default), or a JSON Lines file",
    tolerance="how far a value may be off (default: 0.0001)",
    job="compare this job's predictions, in place of a new one's",
    **WRAPPER,
    **STACK,
    **JSON,
)
def verify(
    _: Context,
    instances: str = "test",
    tolerance: str = "0.0001",
    job: str = "",
    wrapper: str = "decorator",
    stack: str = "local",
    json: bool = False,
) -> Facts:
    """Bare model, batch job and endpoint on the same instances: the largest difference; exits 1 beyond tolerance."""
    from infra.online_predictions import predict_many
    from model import verification
    from model.evaluation import rmse_of
    from model.results import find_shards

    limit = decimal("--tolerance", tolerance, 0.0001)
    found = deployment.outputs(read_stack(stack))
    version = batch_runs.model_version(found, stack, known_wrapper(wrapper))
    endpoint = batch_runs.endpoint(found, stack, wrapper)
    rmse_of(version["digest"], known_wrapper(wrapper), MODEL, METRICS, SAVED_MODELS)  # it is this machine's model
    run = batch_runs.recall(JOBS, stack, job, wrapper) if job else None
    file = batch_runs.unchanged_instances(run) if run else instances_file(instances, known_wrapper(wrapper))[0]
    if run is None:
        run = batch_runs.submit(found, stack, wrapper, file, None)
        batch_runs.remember(run, JOBS)
    with job_counter(run.id) as shown:
        batch_runs.follow(found, run, shown)
    shards = RESULTS / run.id / "shards"
    batch_runs.download(found, run, shards)
    rows = [jsonlib.loads(line) for line in file.read_text().splitlines() if line.strip()]
    ways = {
        "bare model": verification.bare_values(MODEL, file),
        "batch": verification.batch_values(find_shards(shards)[0]),
        "online": verification.online_values(rows, predict_many(found, endpoint, rows)),
    }
    pairs = verification.compare(ways, limit)
    within = all(pair.within for pair in pairs)
    facts = {"stack": stack, "wrapper": wrapper, "job": run.id, "instances": len(rows), "tolerance": limit}
    facts |= {
        "within": within,
        "largest": max(pair.largest for pair in pairs),
        "pairs": [asdict(pair) for pair in pairs],
    }
    answer(json, facts, *(verification.describe(pair, limit) for pair in pairs))
    if not within:
        raise Exit(f"Predictions of {wrapper} differ by more than {limit:g}", 1)
    return facts


@step("Nothing was changed", **WRAPPER, **STACK, **JSON)
def predict_online(_: Context, wrapper: str = "decorator", stack: str = "local", json: bool = False) -> Facts:
    """The tutorial's request: its first two instances, to the wrapper's endpoint, by googleapiclient."""
    from infra.platforms import predict_online

    found = deployment.outputs(read_stack(stack))
    endpoint = batch_runs.endpoint(found, stack, known_wrapper(wrapper))
    rows = [jsonlib.loads(line) for line in instances_file("seed", wrapper)[0].read_text().splitlines()[:2]]
    facts = predict_online(found, endpoint, rows)
    served = f"{facts['modelDisplayName']}, version {facts['modelVersionId']}:"
    answer(json, facts, served, *(f"  {jsonlib.dumps(prediction)}" for prediction in facts["predictions"]))
    return facts


# Versions -------------------------------------------------------------------------------------------------------------


@step("Run again: invoke promote", **WRAPPER, **STACK, **JSON)
def promote(_: Context, wrapper: str = "decorator", stack: str = "local", json: bool = False) -> Facts:
    """Give the stack's version the alias `production`, if its model's error is within the stack's limit."""
    from infra import promotion
    from infra.prediction import connect
    from model.evaluation import rmse_of

    target = read_stack(stack)
    found = deployment.outputs(target)
    need_aliases(found, stack, "promote")
    version = batch_runs.model_version(found, stack, known_wrapper(wrapper))
    rmse = rmse_of(version["digest"], known_wrapper(wrapper), MODEL, METRICS, SAVED_MODELS)
    promotion.check_gate(rmse, from_config(target.config, stack).max_rmse, stack)
    moved = promotion.promote(connect(found), version["versionName"])
    facts = {"stack": stack, "wrapper": wrapper, **asdict(moved), "test_rmse": rmse}
    was = f"; version {moved.before} is 'previous'" if moved.before not in {"", moved.version} else ""
    answer(json, facts, f"{version['displayName']}: version {moved.version} is 'production' (RMSE {rmse:.2f}){was}")
    hint(f"Next: invoke predict --alias production --wrapper {wrapper}")
    return facts


@step("Run again: invoke rollback", **WRAPPER, **STACK, **JSON)
def rollback(_: Context, wrapper: str = "decorator", stack: str = "local", json: bool = False) -> Facts:
    """Give the alias `production` back to the version before, and make it the stack's for the next `up`."""
    from infra import promotion
    from infra.prediction import connect

    target = read_stack(stack)
    found = deployment.outputs(target)
    need_aliases(found, stack, "rollback")
    version = batch_runs.model_version(found, stack, known_wrapper(wrapper))
    moved = promotion.rollback(connect(found), version["name"])
    write_setting(target, "models", {**target.setting("models", {}), wrapper: dict(promotion.uploaded(moved))})
    facts = {"stack": stack, "wrapper": wrapper, **asdict(moved)}
    answer(json, facts, f"{version['displayName']}: version {moved.version} is 'production' again")
    hint(f"Next, for endpoint and default version too: invoke up --stack {stack}")
    return facts


# The whole path, and the checks ---------------------------------------------------------------------------------------


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
    with redirect_stdout(sys.stderr):  # the steps' own summaries; stdout is for the demo's
        if stack == "local":
            heading(1, "a local Google Cloud on this machine")
            local_tasks.start(c)
        if platform:
            set_platform(read_stack(stack), platform)
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
            predict_online(c, wrapper=wrapper, stack=stack)
        heading(7, "102 test rows, predicted by one batch job a wrapper")
        jobs = [predict(c, wrapper=wrapper, stack=stack) for wrapper in WRAPPERS]
        heading(8, "predictions joined to their instances by key")
        joined = [results(c, job=job["job"], stack=stack) for job in jobs]
    facts = demo_facts(stack, deployed["engine"], metrics, jobs, joined, time.monotonic() - began)
    if not json:
        demo_table(facts, MODEL, METRICS, SAVED_MODELS)
    answer(json, facts)
    return facts


@task
def check(c: Context) -> None:
    """Lint, format and types."""
    for command in ("ruff check", "ruff format --check", "mypy"):
        tool(c, "check", command)


@task(help={"long": "also fuzzing, repeated kills and large files", "match": "only tests that match, as pytest -k"})
def test(c: Context, long: bool = False, match: str = "") -> None:
    """Run the test suite on the real parts: emulator, engine, SavedModels, Google's client libraries."""
    chosen = [*([] if long else ["-m", "'not long'"]), *(["-k", f"'{match}'"] if match else [])]
    tool(c, "test", " ".join(["pytest", *chosen]))


# What the tasks share -------------------------------------------------------------------------------------------------


def instances_file(name: str, wrapper: Any, on_duplicate_key: str = "error") -> tuple[Path, Path | None]:
    """Return the instances that `name` stands for, looked over, and the true prices where they are known."""
    from model.instance_keys import look_over

    policy = known_policy(on_duplicate_key)
    file, targets = sample_files(name, wrapper)
    found = look_over(file, wrapper)
    if found.duplicates and policy == "error":
        remedy = "Make keys unique, or run with: --on-duplicate-key keep"
        raise InfraError(f"{file}: {found.first_duplicates[0]} ({found.duplicates} such keys). {remedy}")
    if found.malformed:
        then = "Such lines fail and are listed in the results; the rest is predicted"
        say(f"{file}: {found.first_malformed[0]} ({found.malformed} of {found.instances} lines). {then}")
    return file, targets


def sample_files(name: str, wrapper: Any) -> tuple[Path, Path | None]:
    """Return the instances that `name` stands for, and the true prices where they are known."""
    from model.dataset import write_sample

    sample = write_sample(name, SAVED_MODELS / wrapper, INSTANCES) if name in {"seed", "test"} else None
    return sample or (Path(name), None)


def known_policy(name: str) -> str:
    """Refuse a policy for duplicate keys that there is not."""
    if name not in {"error", "keep"}:
        raise InfraError(f"No policy {name!r}. Run with: --on-duplicate-key error, or keep")
    return name


def uploaded_model(stack: str, wrapper: str) -> Path:
    """Download the SavedModel that the stack's setting names, and return its folder."""
    from infra.storage import download_prefix

    target = read_stack(stack)
    named = from_config(target.config, stack).models.get(wrapper)
    if named is None:
        raise InfraError(f"No {wrapper} model is uploaded to stack {stack!r}. Run: invoke upload --stack {stack}")
    folder = BUILD / "uploaded" / named.digest
    download_prefix(deployment.outputs(target), named.artifact_uri, folder)
    return folder


def validation_progress(bar: Any, done: int, total: int, instances: int, failed: int) -> None:
    """Show how far a validation is."""
    bar(done / max(total, 1), f"{instances:,} instances, {failed:,} would fail")


def set_platform(stack: Stack, platform: str) -> None:
    """Write the stack's prediction service into its settings, if the stack can have it."""
    from_config({**stack.config, f"{NAMESPACE}:platform": platform}, stack.name)
    write_setting(stack, "platform", platform)


def check_operations(serving_image: str) -> None:
    """Refuse, before anything is uploaded, models that Google's prebuilt TensorFlow image could not load."""
    from model.graph_operations import unknown_to_prebuilt

    if serving_image != PREBUILT and "/vertex-ai/prediction/tf2-" not in serving_image:
        return
    for wrapper in WRAPPERS:
        unknown = unknown_to_prebuilt(SAVED_MODELS / wrapper)
        if unknown:
            what = f"{SAVED_MODELS / wrapper} has what TensorFlow 2.15 does not know: {', '.join(unknown)}"
            raise InfraError(f"{what}. Run: pulumi config rm keras-batch-prediction:servingImage, then: invoke image")
        say(f"{wrapper}: TensorFlow 2.15 knows every operation; the prebuilt image goes on 2027-01-14")


def upload_model(found: Facts, wrapper: str, sha256: str) -> Facts:
    """Upload one SavedModel below its digest."""
    from infra.storage import upload_folder

    uri = f"{found['bucketUrl']}/models/{wrapper}/{sha256[:12]}/"
    with fraction_bar(f"upload {wrapper}") as bar:
        sent = upload_folder(found, SAVED_MODELS / wrapper, uri, lambda done, total: bar(done / max(total, 1), uri))
    return {"artifactUri": uri, "digest": sha256, "files": sent.files, "sent": sent.sent}


def tool(c: Context, group: str, command: str) -> None:
    """Run a tool of a dependency group, which uv installs where it is missing."""
    done = c.run(f"{os.environ.get('UV', 'uv')} run --group {group} {command}", warn=True, pty=sys.stdout.isatty())
    if done is None or not done.ok:
        raise Exit(code=done.exited if done else 1)


local = Collection.from_module(local_tasks, name="local")
for module in (local_admin_tasks, local_snapshot_tasks, coverage_tasks):
    for one in Collection.from_module(module).tasks.values():
        local.add_task(one)
namespace = Collection(
    up,
    preview,
    refresh,
    destroy,
    hand_over,
    outputs,
    train,
    export,
    upload,
    image_tasks.image,
    deploy,
    validate,
    predict,
    results,
    verify,
    predict_online,
    promote,
    rollback,
    demo,
    check,
    test,
    bench_tasks.bench,
    check_tasks.costs,
    sizing_tasks.size,
    check_tasks.policy,
    check_tasks.doctor,
    migration_tasks.migrate,
    local,
    Collection.from_module(stack_tasks, name="stack"),
    Collection.from_module(pulumi_tasks, name="pulumi"),
)
