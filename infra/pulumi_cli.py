"""The Pulumi CLI under .local, put there by Pulumi's own installer."""

import subprocess
from dataclasses import dataclass
from importlib.metadata import version as version_of

from infra.engines import CLI_HOME
from infra.stacks import StackError


@dataclass(frozen=True)
class Installed:
    """The CLI that is there now."""

    path: str
    version: str


def install(wanted: str = "") -> Installed:
    """Download a version of the CLI, the SDK's own where none is named, unless it is there already.

    Raises:
        StackError: there is no such version, or it could not be downloaded.
    """
    from pulumi.automation import PulumiCommand  # noqa: PLC0415  # half a second that other tasks do not need
    from semver import VersionInfo  # noqa: PLC0415  # as above

    pinned = wanted.removeprefix("v") or version_of("pulumi")
    try:
        version = VersionInfo.parse(pinned)
    except ValueError:
        msg = f"--version is {wanted!r}; wanted: a version such as {version_of('pulumi')}. Run: invoke pulumi.install"
        raise StackError(msg) from None
    try:
        made = PulumiCommand.install(root=str(CLI_HOME), version=version)
    except subprocess.CalledProcessError as error:
        raise _failed(pinned, _text(error.output) or str(error)) from None
    except Exception as error:  # noqa: BLE001  # the SDK's installer raises whatever comes
        raise _failed(pinned, str(error)) from None
    return Installed(str(made.command), str(made.version))


def _text(output: bytes | str | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""


def _failed(version: str, reason: str) -> StackError:
    line = (reason.strip().splitlines() or ["no reason given"])[-1].rstrip(".")
    remedy = "Check the network, or install it yourself: https://www.pulumi.com/docs/install/"
    return StackError(f"Pulumi CLI {version} was not installed: {line}. {remedy}")
