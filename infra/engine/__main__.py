"""python -m infra.engine up|preview|refresh|destroy|output|export|import|state: flags named as the CLI names them."""

import argparse
import gc
import json
import os
import signal
import sys
from pathlib import Path

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C while modules load: nothing has begun, so nothing is said
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # whoever starts it may hold Ctrl-C back until here
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # or gRPC tells how its connections end
# ruff: noqa: E402

from infra.engine.commands import COMMANDS
from infra.engine.errors import EngineError
from infra.engine.session import PARALLEL, Request

HELP = {
    "up": "bring the stack to what the program declares",
    "preview": "show what up would do",
    "refresh": "bring the state to what really stands",
    "destroy": "delete what the stack has made",
    "output": "print the stack's outputs",
    "export": "write the state for `pulumi stack import`",
    "import": "take the state that `pulumi stack export` wrote",
    "state": "edit the state: lift the protection of resources",
}
DEPLOYING = {"up", "preview", "refresh", "destroy"}


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    root = argparse.ArgumentParser(prog="python -m infra.engine", description="The embedded deployment engine.")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        command = commands.add_parser(name, help=HELP[name], description=HELP[name])
        command.add_argument("-s", "--stack", default="local", help="the stack (default: local)")
        command.add_argument("-C", "--cwd", default=".", type=Path, help="the project's folder (default: here)")
        command.add_argument("-j", "--json", action="store_true", help="one JSON object as the last line of stdout")
        command.add_argument("--non-interactive", action="store_true", help="ask nothing")
        if name in DEPLOYING:
            _add_deploying(command, name)
        if name in ("export", "import"):
            command.add_argument("--file", default="", help="the file (default: standard output or input)")
        if name in ("output", "export"):
            command.add_argument("--show-secrets", action="store_true", help="show secrets in plain text")
        if name == "state":
            command.add_argument("action", choices=("unprotect",), help="what to do")
            command.add_argument("urns", nargs="*", metavar="URN", help="the resources")
            command.add_argument("--all", action="store_true", help="all resources")
        if name == "output":
            command.add_argument("name", nargs="?", default="", help="one output")
    return root


def _add_deploying(command: argparse.ArgumentParser, name: str) -> None:
    add = command.add_argument
    add("-t", "--target", action="append", default=[], metavar="URN", help="only this resource; wildcards, repeatable")
    add("--target-dependents", action="store_true", help="with what depends on the targets")
    add("-p", "--parallel", type=int, default=PARALLEL, help="operations at once")
    if name != "destroy":
        add("--expect-no-changes", action="store_true", help="fail where anything changes, after it is done")
    if name == "destroy":
        add("--exclude-protected", action="store_true", help="leave protected resources, and what they need")
    if name != "preview":
        add("-y", "--yes", action="store_true", help="ask nothing")
        add("-f", "--skip-preview", action="store_true", help="ask nothing, show no preview first")
    if name in ("up", "preview"):
        add(
            "--policy-pack", action="append", default=[], metavar="DIR", help="refuse what its rules refuse; repeatable"
        )
    if name != "refresh":
        add("-r", "--refresh", action="store_true", help="refresh the state first")
    if name in ("refresh", "destroy"):
        add("--preview-only", action="store_true", help="only show what would happen")


def request_of(arguments: argparse.Namespace) -> Request:
    """Turn the command line into a request."""
    given = vars(arguments)
    interactive = sys.stdin.isatty() and sys.stdout.isatty() and not arguments.non_interactive
    return Request(
        command=arguments.command,
        folder=arguments.cwd.resolve(),
        # The CLI also writes ORGANIZATION/PROJECT/STACK.
        stack=arguments.stack.rsplit("/", 1)[-1],
        yes=given.get("yes", False) or given.get("skip_preview", False),
        skip_preview=given.get("skip_preview", False),
        interactive=interactive,
        preview_only=given.get("preview_only", False),
        refresh=given.get("refresh", False),
        expect_no_changes=given.get("expect_no_changes", False),
        json=arguments.json,
        show_secrets=given.get("show_secrets", False),
        targets=tuple(given.get("target", ())),
        target_dependents=given.get("target_dependents", False),
        policy_packs=tuple(str(Path(pack).resolve()) for pack in given.get("policy_pack", ())),
        exclude_protected=given.get("exclude_protected", False),
        file=str(Path(given["file"]).resolve()) if given.get("file") else "",
        name=given.get("name", ""),
        urns=tuple(given.get("urns", ())),
        parallel=max(1, given.get("parallel", PARALLEL)),
    )


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit code."""
    gc.set_threshold(200_000, 20, 20)  # imports make objects that stay: looking for garbage among them takes 0.1 s
    given = parser().parse_args(arguments)
    if given.command == "state" and bool(given.urns) == given.all:
        parser().error("state unprotect: name resources by their URNs, or pass --all")
    request = request_of(given)
    try:
        _enter(request.folder)
        return COMMANDS[request.command](request)
    except BrokenPipeError:  # the reader (`| head`) has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except EngineError as error:
        print(f"error: {error}", file=sys.stderr)
        if request.json:
            print(json.dumps({"result": "failed", "errors": [{"message": str(error), "severity": "error"}]}))
        return 1


def _enter(folder: Path) -> None:
    # As the CLI does: a program's relative paths (assets, certificates) mean the project's folder.
    try:
        os.chdir(folder)
    except OSError as error:
        msg = f"No folder {str(folder)!r}: {error.strerror}. Name the project's folder: -C DIR"
        raise EngineError(msg) from error


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Nothing is left to do; idle worker threads of gRPC would take their time.
    os._exit(code)
