"""137 requests recorded from the real gcp provider, replayed against the local cloud.

The recording is one life of a stack of 14 resources (create, refresh, update, refresh, destroy) with the answers that
made the provider see no drift.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.cloud import LocalCloud, start_cloud

pytestmark = pytest.mark.evidence("recorded")
TRACE = Path(__file__).parent / "data" / "provider-trace.jsonl"
# What differs from run to run: requests that quote a recorded one are sent with this run's.
VARYING = {"etag", "generation", "uniqueId", "oauth2ClientId", "instanceId"}
TIMES = {"createTime", "updateTime", "timeCreated", "updated", "effectiveTime", "timeStorageClassUpdated"}
LINKS = {"selfLink", "mediaLink"}  # they carry the port
# Where the recording is not what Google answers: a package that has another name, access lists that nobody asked for.
MISNAMED = "type.googleapis.com/google.cloud.artifactregistry.v1"
UNASKED = "acl"


@pytest.fixture(scope="module")
def fresh_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """An emulator that nobody has used."""
    cloud = start_cloud(tmp_path_factory.mktemp("trace"))
    yield cloud
    cloud.stop()


def recorded() -> list[dict[str, Any]]:
    """Read the recording."""
    return [json.loads(line) for line in TRACE.read_text().splitlines()]


def quoted(value: Any, seen: dict[str, str]) -> Any:
    """Replace what the recording's answers gave by what this run's answers gave."""
    if isinstance(value, dict):
        return {name: quoted(item, seen) for name, item in value.items()}
    if isinstance(value, list):
        return [quoted(item, seen) for item in value]
    return seen.get(value, value) if isinstance(value, str) else value


def send(cloud: LocalCloud, exchange: dict[str, Any], seen: dict[str, str]) -> requests.Response:
    """Send one recorded request, byte for byte but for the values that vary."""
    body = exchange["request"]
    if isinstance(body, str):
        content = body.encode()
    else:
        content = b"" if body is None else json.dumps(quoted(body, seen)).encode()
    url = f"{cloud.url}{exchange['path']}?{exchange['query']}"
    return requests.request(exchange["method"], url, data=content, headers=exchange["headers"], timeout=30)


def differences(want: Any, have: Any, seen: dict[str, str], path: str = "") -> Iterator[str]:
    """Yield every place where an answer lacks or changes what the recorded one carries."""
    if isinstance(want, dict) and isinstance(have, dict):
        for name, item in want.items():
            if name == UNASKED:
                continue
            if name not in have:
                yield f"{path}.{name}: missing"
            else:
                yield from compared(name, item, have[name], seen, f"{path}.{name}")
    elif isinstance(want, list) and isinstance(have, list) and len(want) == len(have):
        for position, (one, other) in enumerate(zip(want, have, strict=True)):
            yield from differences(one, other, seen, f"{path}[{position}]")
    elif want != have:
        yield f"{path}: {want!r} became {have!r}"


def compared(name: str, want: Any, have: Any, seen: dict[str, str], path: str) -> Iterator[str]:
    """Compare one field by what its name says about it."""
    if name in VARYING:
        seen[want] = have
    elif name in TIMES:
        assert have.endswith("Z")
    elif name in LINKS:
        assert urlsplit(have).path == urlsplit(want).path
    elif name == "name" and "operations/" in str(want):
        assert have.rpartition("/")[0] == want.rpartition("/")[0]
    elif name == "id" and "/" in want:
        assert have.startswith(want)  # an object's id ends in its generation
    elif str(want).startswith(MISNAMED):
        assert have.rpartition(".")[2][:12] == want.rpartition(".")[2][:12]
    else:
        yield from differences(want, have, seen, path)


def test_the_recorded_life_of_a_stack_is_answered_as_recorded(fresh_cloud: LocalCloud) -> None:
    """Every recorded request gets the recorded status and an answer that carries every recorded field."""
    seen: dict[str, str] = {}
    problems = []
    for number, exchange in enumerate(recorded()):
        answer = send(fresh_cloud, exchange, seen)
        label = f"{number} {exchange['phase']} {exchange['method']} {exchange['path']}"
        if answer.status_code != exchange["status"]:
            problems.append(f"{label}: {answer.status_code} instead of {exchange['status']}: {answer.text[:300]}")
        elif exchange["response"] is not None:
            problems += [f"{label}: {one}" for one in differences(exchange["response"], answer.json(), seen)]
    assert not problems, "\n".join(problems)
    assert number == 136
