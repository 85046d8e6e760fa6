"""The whole path as a user runs it: `invoke demo` in a fresh copy, twice, and every task on what it made."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import polars as pl
import pytest

from tests.clones import Clone, make_clone

SEED_ROW = [18.0846, 0.0, 18.1, 0.0, 0.679, 6.434, 100.0, 1.8347, 24.0, 666.0, 20.2, 27.25, 29.05]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """A copy whose local cloud is stopped at the end."""
    made = make_clone(tmp_path_factory.mktemp("clone"))
    yield made
    made.invoke("local.stop")


@pytest.fixture(scope="module")
def demo(clone: Clone) -> dict[str, Any]:
    """The facts of one run of the demo, and the stack's outputs after it."""
    return {**clone.facts("demo"), "outputs": clone.facts("outputs")}


def lines(path: Path) -> list[dict[str, Any]]:
    """Read JSON Lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_demo_predicts_and_joins_every_instance(demo: dict[str, Any]) -> None:
    """Both wrappers predict all 102 test rows, lose none, and find the same prices."""
    assert (demo["engine"], demo["stack"]) == ("embedded", "local")
    assert [job["wrapper"] for job in demo["jobs"]] == ["functional", "decorator"]
    for job in demo["jobs"]:
        assert (job["instances"], job["predicted"], job["failed"], job["joined"]) == (102, 102, 0, 102)
        assert job["rmse"] == pytest.approx(demo["metrics"]["test_rmse"], abs=1e-4)


def test_joined_lines_are_the_instances_with_their_predictions(clone: Clone, demo: dict[str, Any]) -> None:
    """A joined line is {"key", "features", "prediction"}, in the instances' order, alike for both wrappers."""
    functional, decorator = (lines(clone.path / job["output"]) for job in demo["jobs"])
    assert [row["key"] for row in functional] == list(range(102))
    assert functional[0]["features"] == SEED_ROW
    for one, other in zip(functional, decorator, strict=True):
        assert set(one) == set(other) == {"key", "features", "prediction"}
        assert one["prediction"] == pytest.approx(other["prediction"], abs=1e-4)


def test_joined_tables_hold_the_same_rows(clone: Clone, demo: dict[str, Any]) -> None:
    """CSV and Parquet have one row per joined line."""
    folder = (clone.path / demo["jobs"][0]["output"]).parent
    assert pl.read_parquet(folder / "joined.parquet").height == 102
    assert pl.read_csv(folder / "joined.csv").height == 102


@pytest.fixture(scope="module")
def again(clone: Clone, demo: dict[str, Any]) -> CompletedProcess[str]:
    """A second demo, as people read it."""
    assert demo
    return clone.invoke("demo")


@pytest.mark.long
def test_a_second_demo_creates_nothing_anew(clone: Clone, demo: dict[str, Any], again: CompletedProcess[str]) -> None:
    """Run again, the demo trains, exports, uploads and deploys nothing that is unchanged, and predicts anew."""
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("Update: no changes") == 2
    assert again.stderr.count("0 of 3 files sent") == 2
    assert "build/model.keras: unchanged" in again.stderr
    assert again.stderr.count("complete: 102 of 102 instances joined") == 2
    assert clone.facts("outputs") == demo["outputs"]


@pytest.mark.long
def test_the_demo_tells_its_steps_in_order_and_its_result_alone_on_stdout(again: CompletedProcess[str]) -> None:
    """What is run on the way, the engine's lines too, goes to stderr; stdout has the table and where all lies."""
    parts = [again.stderr.index(f"[{part}/8]") for part in range(1, 9)]
    assert parts == sorted(parts)
    assert parts[1] < again.stderr.index("Update: no changes") < parts[2]
    assert again.stdout.lstrip().startswith("Predictions matched to their instances\n")
    assert again.stdout.splitlines()[-1].startswith("Done in ")
    assert not [line for line in again.stdout.splitlines() if line != line.rstrip()]


def test_up_after_the_demo_changes_nothing(clone: Clone, demo: dict[str, Any]) -> None:
    """A preview after the demo finds nothing to do, with what is really there read first."""
    assert demo
    facts = clone.facts("preview", "--refresh")
    assert set(facts["changeSummary"]) <= {"same"}, facts["changeSummary"]


def test_a_label_is_no_reason_to_replace(clone: Clone, demo: dict[str, Any]) -> None:
    """A preview of another label updates what has labels, and replaces neither versions nor deployments."""
    assert demo
    file = clone.path / "infra/stacks/Pulumi.local.yaml"
    before = file.read_text()
    file.write_text(before + '  keras-batch-prediction:labels: {"team": "pricing"}\n')
    changes = clone.facts("preview")["changeSummary"]
    file.write_text(before)
    assert set(changes) == {"same", "update"}, changes


def test_predict_online_answers_as_the_tutorial(clone: Clone, demo: dict[str, Any]) -> None:
    """Each wrapper's endpoint answers the tutorial's two instances in its own form."""
    assert demo
    decorator = clone.facts("predict-online")["predictions"]
    functional = clone.facts("predict-online", "--wrapper", "functional")["predictions"]
    assert [row["key"] for row in decorator] == [0, 1]
    for one, other in zip(decorator, functional, strict=True):
        assert other["prediction_with_key"] == pytest.approx([*one["prediction"], one["key"]], abs=1e-4)


@pytest.mark.long
@pytest.mark.parametrize("wrapper", ["decorator", "functional"])
def test_verify_finds_all_ways_within_tolerance(clone: Clone, demo: dict[str, Any], wrapper: str) -> None:
    """Bare model, the demo's own batch job and the endpoint give the same predictions."""
    [job] = [job["job"] for job in demo["jobs"] if job["wrapper"] == wrapper]
    facts = clone.facts("verify", "--wrapper", wrapper, "--job", job)
    assert (facts["within"], facts["instances"], len(facts["pairs"])) == (True, 102, 3)
    assert all(pair["compared"] == 102 and pair["largest"] <= 1e-4 for pair in facts["pairs"])
    refused = clone.invoke("verify", "--tolerance", "-1")
    assert refused.returncode == 1
    assert "--tolerance is '-1'" in refused.stderr


def test_results_of_any_folder_are_joined_without_a_stack(clone: Clone, demo: dict[str, Any], tmp_path: Path) -> None:
    """Shards and instances by path; only what is asked for is written, and what lacks is named."""
    [job] = [job["job"] for job in demo["jobs"] if job["wrapper"] == "functional"]
    shards = str(clone.path / "build" / "results" / job / "shards")
    command = ["results", "--predictions", shards, "--output", str(tmp_path / "out"), "--format", "jsonl"]
    asked = clone.path / "build" / "instances" / "functional-test.jsonl"
    facts = clone.facts(*command, "--instances", str(asked))
    assert (facts["complete"], facts["joined"]) == (True, 102)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "joined.jsonl",
        "summary.json",
        "unjoined.jsonl",
    ]
    assert "--instances is missing" in clone.invoke(*command).stderr


def test_predict_takes_a_users_file_and_reports_a_bad_line(clone: Clone, demo: dict[str, Any], tmp_path: Path) -> None:
    """A bad line fails alone: the others are predicted and joined, the bad one is listed with its reason."""
    assert demo
    good = [{"features": SEED_ROW, "key": key} for key in (7, 2**53 - 1)]
    file = tmp_path / "mine.jsonl"
    file.write_text("\n".join([json.dumps(good[0]), '{"features": [1, 2], "key": 8}', json.dumps(good[1])]) + "\n")
    job = clone.facts("predict", "--instances", str(file))
    assert (job["instances"], job["predicted"], job["failed"]) == (3, 2, 1)
    found = clone.facts("results", "--job", job["job"])
    assert (found["joined"], found["failed"]) == (2, 1)
    assert [row["key"] for row in lines(clone.path / found["output"])] == [7, 2**53 - 1]
    assert found["first_errors"][0]["key"] in {"8", 8}


def test_predict_on_this_machine_needs_no_job(clone: Clone, demo: dict[str, Any]) -> None:
    """The engine alone, from the bucket's model to the bucket's shards: the same facts, and results join them."""
    facts = clone.facts("predict", "--on", "local", "--instances", "seed")
    assert (facts["predicted"], facts["failed"], facts["on"]) == (10, 0, "local")
    assert set(demo["jobs"][0]) - {"joined", "rmse"} <= set(facts)
    assert clone.facts("results", "--job", facts["job"])["joined"] == 10
    assert clone.facts("predict", "--job", facts["job"])["predicted"] == 10  # it is done, and stays as it is


@pytest.mark.long
def test_a_run_of_this_machine_is_verified(clone: Clone, demo: dict[str, Any]) -> None:
    """It has no job that could be followed, and is compared as one."""
    assert demo
    job = clone.facts("predict", "--on", "local", "--instances", "seed", "--wrapper", "functional")["job"]
    assert clone.facts("verify", "--job", job, "--wrapper", "functional")["within"]


@pytest.mark.long
def test_a_broken_off_run_goes_on(clone: Clone, demo: dict[str, Any], tmp_path: Path) -> None:
    """Refused for a key that is there twice, it has no results, and says how to go on; `--job` does."""
    assert demo
    file = tmp_path / "twice.jsonl"
    file.write_text("".join(json.dumps({"features": SEED_ROW, "key": key}) + "\n" for key in (7, 7, 8)))
    refused = clone.invoke("predict", "--on", "local", "--instances", str(file), "--json")
    remedy = re.search(r"invoke predict --job (\S+)", json.loads(refused.stdout.splitlines()[-1])["error"])
    assert (refused.returncode, remedy is not None) == (1, True), refused.stderr
    job = remedy[1] if remedy else ""
    early = clone.invoke("results", "--job", job)
    assert (early.returncode, f"Go on with it: invoke predict --job {job}" in early.stderr) == (1, True), early.stderr
    facts = clone.facts("predict", "--job", job, "--on-duplicate-key", "keep")
    assert (facts["job"], facts["predicted"], facts["on"]) == (job, 3, "local")


@pytest.mark.long
def test_results_refuse_to_look_complete(clone: Clone, demo: dict[str, Any]) -> None:
    """A job whose shards lost a line makes `results` exit 1 and list the key."""
    assert demo
    job = clone.facts("predict", "--instances", "seed")["job"]
    assert clone.invoke("results", "--job", job).returncode == 0
    shards = sorted((clone.path / "build/results" / job / "shards").rglob("*results*"))
    shard = next(path for path in shards if path.stat().st_size)
    lost = json.loads(shard.read_text().splitlines()[0])["prediction"]["key"]
    drop_first_line(clone, job)
    done = clone.invoke("results", "--job", job, "--json")
    assert done.returncode == 1
    assert "not complete" in done.stderr
    facts = json.loads(done.stdout.splitlines()[-1])
    assert facts["missing"] == {"count": 1, "first": [lost]}
    assert facts["joined"] == 9


def drop_first_line(clone: Clone, job: str) -> None:
    """Rewrite the first filled result shard in the bucket without its first line."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    outputs = clone.facts("outputs")
    options = {"api_endpoint": outputs["storageEndpoint"]}
    client = storage.Client(outputs["project"], AnonymousCredentials(), client_options=options)  # type: ignore[no-untyped-call]
    shards = client.list_blobs(outputs["bucket"], prefix=f"predictions/{job}/")
    shard = next(blob for blob in shards if "results" in blob.name and blob.size)
    shard.upload_from_string(shard.download_as_text().split("\n", 1)[1])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["up", "--stack", "nowhere"], ["'nowhere'", "local"]),
        (["up", "--engine", "terraform"], ["'terraform'", "--engine embedded"]),
        (["predict", "--instances", "missing.jsonl"], ["missing.jsonl", "invoke predict"]),
        (["predict", "--wrapper", "classic"], ["'classic'", "--wrapper"]),
        (["predict", "--job", "unknown"], ["'unknown'", "invoke predict"]),
        (["results", "--job", "unknown"], ["'unknown'", "invoke predict"]),
        (["export", "--key-type", "uuid"], ["'uuid'", "int64"]),
        (["train", "--epochs", "0"], ["0", "epochs"]),
        (["destroy"], ["invoke destroy", "--yes"]),
        (["local.reset"], ["invoke local.reset --yes"]),
    ],
)
def test_mistakes_get_one_line(clone: Clone, demo: dict[str, Any], arguments: list[str], words: list[str]) -> None:
    """A mistake ends with exit code 1 and one line that names the value and the way out."""
    assert demo
    done = clone.invoke(*arguments)
    said = [line for line in done.stderr.splitlines() if line.strip()]
    assert done.returncode == 1
    assert len(said) == 1, done.stderr
    assert all(word in said[0] for word in words), said[0]


@pytest.mark.long
def test_duplicate_keys_are_refused_before_a_job_is_paid_for(
    clone: Clone, demo: dict[str, Any], tmp_path: Path
) -> None:
    """Two rows with one key cannot be told apart afterwards, so they are refused unless the user insists."""
    assert demo
    row = json.dumps({"features": SEED_ROW, "key": 1})
    file = tmp_path / "twice.jsonl"
    file.write_text(f"{row}\n{row}\n")
    done = clone.invoke("predict", "--instances", str(file))
    assert done.returncode == 1
    assert "key 1 of line 1 stands on line 2 again" in done.stderr
    kept = clone.facts("predict", "--instances", str(file), "--on-duplicate-key", "keep")
    assert clone.invoke("results", "--job", kept["job"]).returncode == 1


def test_functional_wrapper_refuses_keys_that_float32_cannot_hold(
    clone: Clone, demo: dict[str, Any], tmp_path: Path
) -> None:
    """A key above 2^24 is refused before the job, and the line names the other wrapper."""
    assert demo
    file = tmp_path / "big.jsonl"
    file.write_text(json.dumps({"features": SEED_ROW, "key": 2**24 + 1}) + "\n")
    done = clone.invoke("predict", "--instances", str(file), "--wrapper", "functional")
    assert done.returncode == 1
    assert "16777217" in done.stderr
    assert "decorator" in done.stderr


@pytest.mark.long
def test_promote_gives_the_evaluated_version_the_alias(clone: Clone, demo: dict[str, Any]) -> None:
    """Only the model that the metrics are of is promoted; jobs can be asked to run on it."""
    assert demo
    moved = clone.facts("promote")
    assert (moved["version"], moved["test_rmse"]) == ("1", demo["metrics"]["test_rmse"])
    assert clone.facts("predict", "--instances", "seed", "--alias", "production")["predicted"] == 10
    model = clone.path / "build" / "model.keras"
    before = model.read_bytes()
    model.write_bytes(before + b"other")
    refused = clone.invoke("promote")
    model.write_bytes(before)
    assert refused.returncode == 1
    assert "Run: invoke train export upload up" in refused.stderr
    assert "no version 'previous'" in clone.invoke("rollback").stderr


@pytest.mark.long
def test_destroy_of_a_production_stack_is_refused_whole(clone: Clone, demo: dict[str, Any]) -> None:
    """Its data is protected: nothing of the stack is deleted, and the dry run has said so."""
    assert demo
    file = clone.path / "infra/stacks/Pulumi.local.yaml"
    before = file.read_text()
    file.write_text(before + "  keras-batch-prediction:production: true\n")
    clone.facts("up")
    fate = clone.facts("destroy", "--dry-run")
    protected = [
        "bucket (Bucket)",
        "decorator-model (Model)",
        "functional-model (Model)",
        "serving-repository (Repository)",
    ]
    assert sorted(fate["protects"]) == protected
    assert "notebook (Instance), with its disks and all that is on them" in fate["deletes"]
    refused = clone.invoke("destroy", "--yes")
    assert refused.returncode == 1
    assert "nothing was deleted. If they may go, run: pulumi config set" in refused.stderr
    file.write_text(before)
    clone.facts("up")
    assert clone.facts("destroy", "--dry-run")["protects"] == []


def test_destroy_leaves_nothing_and_up_starts_afresh(clone: Clone, demo: dict[str, Any]) -> None:
    """After `destroy --yes` nothing of the stack is left but enabled APIs, and `outputs` says so."""
    assert demo
    assert clone.invoke("destroy", "--yes").returncode == 0
    done = clone.invoke("outputs")
    assert done.returncode == 1
    assert "invoke up" in done.stderr
