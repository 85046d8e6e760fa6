"""The engine's command line on a real program with dynamic resources."""

import json
import re
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from infra.engine.wire import SECRET, SIGNATURE
from tests.engine_stack import DATA, EngineStack, finish, interrupt, new_stack, wait_until

SCENARIOS: list[dict[str, Any]] = json.loads((DATA / "scenarios.json").read_text())


@pytest.fixture
def stack(tmp_path: Path) -> EngineStack:
    """A stack that has nothing yet."""
    return new_stack(tmp_path)


@pytest.mark.long
def test_every_scenario_runs_as_with_the_pulumi_cli(stack: EngineStack) -> None:
    """Exit codes, provider calls and summaries of consecutive programs are those recorded from the real engine."""
    for scenario in SCENARIOS:
        stack.put(scenario)
        ran = stack.run(scenario["command"], "--json", *(["--yes"] if scenario["command"] != "preview" else []))
        context = f"{scenario['name']}: {ran.err}"
        assert ran.code == scenario["exit"], context
        assert sorted(map(str, stack.calls())) == sorted(map(str, scenario["provider_calls"])), context


def test_a_second_up_changes_nothing_and_says_so(stack: EngineStack) -> None:
    """After a create, the same program is no change, and the state's file is not even written."""
    stack.set({"a": {"v": 1}, "b": {"from": "a"}, "comp": {"t": "C", "v": 1}}, outputs={"made": "a", "word": "hi"})
    first = stack.run("up", "--yes", "--json")
    assert first.code == 0, first.err
    assert first.json["summary"] == {"create": 5}
    assert first.json["outputs"] == {"made": "1.0!", "word": "hi"}
    assert [call["op"] for call in stack.calls()] == ["create"] * 3
    before = stack.state_file.read_bytes()
    second = stack.run("up", "--yes")
    assert "no changes, 5 unchanged" in second.out
    assert stack.calls() == []
    assert stack.state_file.read_bytes() == before
    assert stack.run("up", "--expect-no-changes").code == 0


def test_preview_says_what_up_would_do_and_does_nothing(stack: EngineStack) -> None:
    """A preview knows replacements, follows unknown outputs, and neither calls nor writes."""
    stack.set({"a": {"v": 1}, "b": {"from": "a"}, "k": {"v": 1}}, outputs={"made": "a"})
    assert stack.run("up", "--yes").code == 0
    stack.calls()
    before = stack.state_file.read_bytes()
    stack.set({"a": {"v": 2, "force": "x"}, "b": {"from": "a"}, "n": {"v": 1}}, outputs={"made": "a"})
    document = stack.run("preview", "--json").json
    assert document["changeSummary"] == {"create": 1, "delete": 1, "replace": 1, "same": 1, "update": 1}
    ops = {step["urn"].rsplit("::", 1)[1]: step for step in document["steps"]}
    assert {name: step["op"] for name, step in ops.items()} == {
        "scenarios-dev": "same",
        "a": "replace",
        "b": "update",
        "k": "delete",
        "n": "create",
    }
    assert ops["a"]["replaceReasons"] == ["force"]
    assert ops["k"]["oldState"]["id"] == "id-k-None"
    text = stack.run("preview").out
    assert 'made: "1.0!" => (known after up)' in text
    assert "v: 1 => 2" in text
    assert stack.run("preview", "--expect-no-changes").code == 1
    assert (stack.calls(), stack.state_file.read_bytes()) == ([], before)
    # As the CLI does, up applies the changes and says afterwards that there were some.
    ran = stack.run("up", "--yes", "--expect-no-changes")
    assert (ran.code, "no changes were expected" in ran.err) == (1, True)
    assert [call["op"] for call in stack.calls() if call["name"] == "n"] == ["create"]


def test_a_failed_resource_stops_its_dependents_only(stack: EngineStack) -> None:
    """What succeeded is in the state, the next up goes on, and deletions wait for a run without failures."""
    stack.set({"old": {"v": 1}})
    assert stack.run("up", "--yes").code == 0
    stack.set({"f": {"v": 1}, "g": {"from": "f"}, "h": {"v": 1}}, create_fails=["f"], outputs={"out": "g"})
    failed = stack.run("up", "--yes")
    assert failed.code == 1
    assert re.search(r"^ !  f +.*failed: f refused$", failed.out, re.MULTILINE)
    assert sorted(stack.names()) == ["h", "old"]
    stack.set({"f": {"v": 1}, "g": {"from": "f"}, "h": {"v": 1}}, outputs={"out": "g"})
    assert stack.run("up", "--yes", "--json").json["summary"] == {"create": 2, "delete": 1, "same": 2}
    assert stack.run("output", "out").out == "<1.0!>!\n"


def test_secrets_are_sealed_in_the_state_and_masked_everywhere(stack: EngineStack) -> None:
    """No plain secret is in the file, an unchanged one keeps its ciphertext, and only --show-secrets opens it."""
    resources = {"s": {"v": 1, "secret": "hush-hush"}, "t": {"v": 1}}
    stack.set(resources)
    assert stack.run("up", "--yes").code == 0
    assert "hush-hush" not in stack.state_file.read_text()
    sealed = next(row for row in stack.resources() if row["urn"].endswith("::s"))["outputs"]["secret"]
    assert sealed[SIGNATURE] == SECRET
    stack.set({**resources, "t": {"v": 2}})
    assert stack.run("up", "--yes").code == 0
    assert next(row for row in stack.resources() if row["urn"].endswith("::s"))["outputs"]["secret"] == sealed
    assert "hush-hush" not in stack.run("export").out
    assert "hush-hush" in stack.run("export", "--show-secrets").out
    stack.set({**resources, "s": {"v": 1, "secret": "other"}})
    shown = stack.run("preview").out
    assert "secret: [secret] => [secret]" in shown
    assert "hush" not in shown


@pytest.mark.long
def test_an_export_can_be_imported_again(stack: EngineStack, tmp_path: Path) -> None:
    """A stack that lost its state gets it back from an export, with plain secrets or sealed ones."""
    stack.set({"a": {"v": 1, "secret": "x"}})
    assert stack.run("up", "--yes").code == 0
    stack.calls()
    for flags in ([], ["--show-secrets"]):
        file = str(tmp_path / "export.json")
        assert stack.run("export", "--file", file, *flags).code == 0
        shutil.rmtree(stack.folder / ".local")
        assert stack.run("import", "--file", file).code == 0
        assert stack.run("up", "--expect-no-changes").code == 0
    assert stack.calls() == []


@pytest.mark.long
def test_refresh_shows_drift_and_enters_it(stack: EngineStack) -> None:
    """--preview-only reports and writes nothing; a refresh enters what stands; the next up puts it right."""
    stack.set({"a": {"v": 1}, "b": {"v": 1}})
    assert stack.run("up", "--yes").code == 0
    before = stack.state_file.read_bytes()
    stack.set({"a": {"v": 1}, "b": {"v": 1}}, drift={"a": {"v": 9}}, gone_on_read=["b"])
    report = stack.run("refresh", "--preview-only")
    assert "v: 1 => 9" in report.out
    assert stack.state_file.read_bytes() == before
    assert stack.run("refresh", "--yes", "--json").json["summary"] == {"delete": 1, "same": 1, "update": 1}
    stack.calls()
    assert stack.run("up", "--yes", "--json").json["summary"] == {"create": 1, "same": 1, "update": 1}
    assert sorted(call["op"] for call in stack.calls()) == ["create", "update"]


def test_destroy_asks_and_deletes_in_reverse(stack: EngineStack) -> None:
    """Without --yes nobody is there to confirm; with it dependents go first, and retained resources are named."""
    stack.set({"a": {"v": 1}, "b": {"from": "a"}, "r": {"v": 1, "o": {"retain_on_delete": True}}})
    assert stack.run("up", "--yes").code == 0
    stack.calls()
    refused = stack.run("destroy")
    assert (refused.code, stack.calls()) == (1, [])
    assert "--yes" in refused.err
    gone = stack.run("destroy", "--yes", "--json")
    assert gone.json["summary"] == {"delete": 4}
    assert [urn.rsplit("::", 1)[1] for urn in gone.json["retained"]] == ["r"]
    assert [call["name"] for call in stack.calls()] == ["b", "a"]
    assert stack.resources() == []


@pytest.mark.long
def test_a_protected_resource_stays_and_says_how_to_lift_it(stack: EngineStack) -> None:
    """Destroy leaves a protected resource, and what comes after it; the error names the command."""
    stack.set({"a": {"v": 1}, "p": {"from": "a", "o": {"protect": True}}, "x": {"v": 1}})
    assert stack.run("up", "--yes").code == 0
    ran = stack.run("destroy", "--yes")
    assert ran.code == 1
    urn = "urn:pulumi:dev::scenarios::pulumi-python:dynamic/scenario:Thing::p"
    assert f"python -m infra.engine state unprotect '{urn}' --stack dev" in ran.out
    assert sorted(stack.names()) == ["a", "p", "x"]
    assert stack.run("destroy", "--yes", "--exclude-protected").code == 0
    assert sorted(stack.names()) == ["a", "p"]
    assert stack.run("state", "unprotect", f"{urn}2").code == 1
    assert stack.run("state", "unprotect", urn).code == 0
    assert stack.run("destroy", "--yes").code == 0
    assert stack.resources() == []


@pytest.mark.long
def test_targets_leave_the_rest_alone(stack: EngineStack) -> None:
    """Up --target changes one resource of two; destroy --target refuses what others depend on."""
    stack.set({"a": {"v": 1}, "b": {"v": 1}, "c": {"from": "b"}})
    assert stack.run("up", "--yes").code == 0
    stack.calls()
    stack.set({"a": {"v": 2}, "b": {"v": 2}, "c": {"from": "b"}})
    assert stack.run("up", "--yes", "--target", "**::a").code == 0
    assert [call["name"] for call in stack.calls()] == ["a"]
    assert stack.run("destroy", "--yes", "--target", "**::b").code == 1
    assert stack.run("destroy", "--yes", "--target", "**::b", "--target-dependents").code == 0
    assert [call["name"] for call in stack.calls()] == ["c", "b"]


def test_two_engines_on_one_stack_are_refused_by_a_lock_that_dies_with_its_holder(stack: EngineStack) -> None:
    """The second engine gets one line; after kill -9 of the first, the lock is free and up completes."""
    stack.set({"a": {"v": 1}, "b": {"v": 1}}, pauses=["b"])
    first = stack.start("up", "--yes")
    stack.wait_for("paused-b")
    second = stack.run("up", "--yes")
    assert second.code == 1
    assert (
        second.err == f"error: Stack 'dev' is in use by process {first.pid}. Wait until it ends, then run this again\n"
    )
    first.kill()
    finish(first)
    wait_until(lambda: stack.provider_is_gone("b"))
    (stack.folder / "resume-b").touch()
    third = stack.run("up", "--yes")
    assert third.code == 0
    assert "cut off while creating 'b'" in third.out
    assert sorted(call["name"] for call in stack.calls()) == ["a", "b"]
    assert "pending_operations" not in json.loads(stack.state_file.read_text())["deployment"]


def test_ctrl_c_finishes_the_running_step_and_says_how_to_go_on(stack: EngineStack) -> None:
    """The step that runs is completed and in the state, nothing else begins, the exit code is 130."""
    stack.set({"a": {"v": 1}, "b": {"from": "a"}}, pauses=["a"])
    process = stack.start("up", "--yes")
    stack.wait_for("paused-a")
    interrupt(process)
    (stack.folder / "resume-a").touch()
    ran = finish(process)
    assert ran.code == 130
    assert "Go on with: python -m infra.engine up --stack dev" in ran.out
    assert "Traceback" not in ran.out + ran.err
    assert stack.names() == ["a"]
    assert stack.run("up", "--yes", "--json").json["summary"] == {"create": 1, "same": 2}
    assert [call["name"] for call in stack.calls()] == ["a", "b"]


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import pulumi\ndef f(:\n", "SyntaxError: invalid syntax"),
        ("import pulumi\n\ndef fail():\n    raise ValueError('oh no')\n\nfail()\n", "ValueError: oh no"),
        ("import pulumi\nraise pulumi.RunError('settings are missing')\n", "error: settings are missing\n"),
        ("import sys\nprint('bye')\nsys.exit(3)\n", "error: the program ended with exit code 3\n"),
        ("import nowhere_to_be_found\n", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
    ],
)
def test_a_broken_program_is_told_by_its_own_lines(stack: EngineStack, program: str, said: str) -> None:
    """The message ends in what the program raised, names its file alone, and the stack stays as it was."""
    (stack.folder / "__main__.py").write_text(program)
    ran = stack.run("up", "--yes")
    assert ran.code == 1
    assert said in ran.out
    assert "site-packages" not in ran.out + ran.err
    assert "infra/engine" not in ran.out + ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["up", "--stack", "typo"], "No stack 'typo': there is no file 'Pulumi.typo.yaml'. The stacks are: dev"),
        (["output"], "has nothing yet. Run: python -m infra.engine up --stack dev"),
        (["import", "--file", "Pulumi.yaml"], "Cannot read a deployment from"),
        (["up", "-C", "nowhere"], "Name the project's folder: -C DIR"),
    ],
)
def test_a_users_mistake_is_one_line(stack: EngineStack, arguments: list[str], said: str) -> None:
    """What is wrong and what helps, on stderr, without a traceback."""
    ran = stack.run(*arguments) if "-C" not in arguments else stack.run(arguments[0], "-C", str(stack.folder / "no"))
    assert ran.code == 1
    assert ran.err.startswith("error: ")
    assert ran.err.count("\n") == 1
    assert said in ran.err


def test_a_stack_that_reaches_google_is_refused(stack: EngineStack) -> None:
    """Settings of gcp without endpoints of a local cloud end the command before anything starts."""
    (stack.folder / "Pulumi.dev.yaml").write_text("config:\n  gcp:project: real-project\n")
    ran = stack.run("up", "--yes")
    assert ran.code == 1
    assert ran.err.endswith("this engine serves local stacks. Run: pulumi up --stack dev\n")


def stands(stack: EngineStack, names: set[str]) -> bool:
    """Tell whether exactly these resources are in the state."""
    return stack.state_file.exists() and set(stack.names()) == names


@pytest.mark.long
def test_kill_during_any_step_leaves_no_second_copy(tmp_path: Path) -> None:
    """Kill -9 while each resource in turn is being made: child processes die too, and up makes each exactly once."""
    resources = {name: {"v": 1} for name in "abc"} | {"d": {"from": "a"}}
    for victim in resources:
        stack = new_stack(tmp_path / victim)
        stack.set(resources, pauses=[victim])
        process = stack.start("up", "--yes")
        stack.wait_for(f"paused-{victim}")
        free = {name for name, spec in resources.items() if name != victim and spec.get("from") != victim}
        wait_until(partial(stands, stack, free))
        process.kill()
        finish(process)
        wait_until(partial(stack.provider_is_gone, victim))
        (stack.folder / f"resume-{victim}").touch()
        ran = stack.run("up", "--yes")
        assert ran.code == 0, ran.err
        assert sorted(stack.names()) == sorted(resources)
        assert sorted(call["name"] for call in stack.calls()) == sorted(resources)
