"""The running local cloud under everything that can be sent to it, by every route there is."""

import functools
import http.client
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.emulator.discovery import VERSIONS, Document, Method, document
from infra.emulator.dispatch import Incoming
from tests.cloud import LocalCloud, start_cloud
from tests.discovery_tree import methods
from tests.state import problems_of
from tests.storage import call
from tests.test_emulator_fuzz import JSON, requests_of


@functools.cache
def every() -> dict[str, tuple[Document, Method]]:
    """Return every method of every document, handled or not, by HTTP verb and address."""
    return {
        f"{verb} /{api}/{version}/{path}{':' if custom else ''}{custom}": (document(api, version), method)
        for api, versions in VERSIONS.items()
        for version in versions
        for verb, path, custom, method in methods(document(api, version).root)
    }


pytestmark = pytest.mark.evidence("shape only")
VERBS = ("GET", "HEAD", "PUT", "POST", "DELETE")
# The paths that no document describes, and the ways to change the local cloud itself
OWN = [
    *(("POST", f"/upload/storage/v1/b/one/o?name=a&uploadType={kind}") for kind in ("media", "multipart", "resumable")),
    *(("PUT", f"/upload/storage/v1/b/one/o?upload_id={session}") for session in ("", "x", "%00")),
    *((verb, f"/one/{name}") for verb in VERBS for name in ("a", "a%2Fb", "%FF", "..")),
    *(("GET", f"/one?{query}") for query in ("", "uploads", "list-type=2", "prefix=%00", "location", "acl")),
    *(("POST", f"/one/a?{query}") for query in ("uploads", "uploadId=x", "compose")),
    *(("GET", f"/download/storage/v1/b/one/o/{name}?alt=media") for name in ("a", "%2e%2e", "a%0Ab")),
    *((verb, "/batch/storage/v1") for verb in ("GET", "POST")),
    *((verb, f"/_local/{path}") for verb in ("GET", "POST") for path in ("clock", "snapshots/x", "nothing")),
    *(("GET", path) for path in ("/", "//", "/healthz", "/_local/", "/storage/v1", "/%2e%2e/%2e%2e/etc")),
]
SPANS = ["", "bytes=0-1", "bytes=-1", "bytes */*", "bytes 0-1/2", "multipart/mixed; boundary=x", "*", "GET"]
HEADERS = st.dictionaries(
    st.sampled_from(["Range", "Content-Type", "Content-Range", "If-Match", "If-None-Match", "X-HTTP-Method-Override"]),
    st.sampled_from(SPANS),
    max_size=2,
)


@st.composite
def anything(draw: st.DrawFn) -> Incoming:
    """Draw a request to any route: most to methods of the documents, some to the paths beside them."""
    if draw(st.integers(0, 9)):
        return draw(requests_of(every))
    verb, address = draw(st.sampled_from(OWN))
    path, _, query = address.partition("?")
    body = draw(st.binary(max_size=30) | JSON.map(lambda value: json.dumps(value).encode()))
    return Incoming(verb, path, query, draw(HEADERS), b"" if verb in {"GET", "HEAD"} else body)


def sendable(address: str) -> str:
    """Quote what the client refuses to send: white space, control characters and all beyond ASCII."""
    return re.sub(r"[^\x21-\x7e]", lambda found: quote(found.group(), errors="surrogatepass"), address)


class Sender:
    """A kept-alive connection to a local cloud that notes what must not be."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", cloud.port, timeout=60)
        self.sent = 0

    def check(self, incoming: Incoming) -> None:
        """Send a request; fail where the answer is a server's fault, or a refusal that is none of Google's."""
        address = sendable(f"{incoming.path}?{incoming.query}" if incoming.query else incoming.path)
        try:
            self.connection.request(incoming.verb, address, incoming.body, dict(incoming.headers))
            answer = self.connection.getresponse()
            content = answer.read()
        except BaseException:
            self.connection.close()  # the next request begins anew
            raise
        self.sent += 1
        assert answer.status < 500 or answer.status == 501, (incoming, content)
        assert b"fault of the local cloud" not in content, (incoming, content)
        assert answer.status != 429
        if answer.status >= 400 and answer.getheader("content-type", "").startswith("application/json"):
            assert json.loads(content)["error"]["code"] == answer.status, incoming


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sender]:
    """A connection to an emulator; when all was sent its log has no traceback, and its state is sound."""
    cloud = start_cloud(tmp_path_factory.mktemp("fuzzed"))
    call(cloud, "POST", "/storage/v1/b?project=p", json={"name": "one"}).raise_for_status()
    call(cloud, "POST", "/upload/storage/v1/b/one/o?uploadType=media&name=one", data=b"content").raise_for_status()
    call(cloud, "POST", "/iam/v1/projects/p/serviceAccounts", json={"accountId": "robot-one"}).raise_for_status()
    sender = Sender(cloud)
    yield sender
    sender.connection.close()
    cloud.stop()
    assert problems_of(cloud.state) == []
    assert "Traceback" not in (cloud.state / "emulator.stderr").read_text()
    cloud = start_cloud(cloud.state)
    assert call(cloud, "GET", "/healthz").status_code == 200
    cloud.stop()


FUZZ = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}


@settings(max_examples=40, **FUZZ)  # type: ignore[arg-type]
@given(st.lists(anything(), min_size=5, max_size=5))
def test_whatever_is_sent_was_foreseen(fuzzed: Sender, sent: list[Incoming]) -> None:
    """200 requests to any route: no 5xx but an intended 501, no traceback, a sound state."""
    for incoming in sent:
        fuzzed.check(incoming)


@pytest.mark.long
@settings(max_examples=1000, **FUZZ)  # type: ignore[arg-type]
@given(st.lists(anything(), min_size=10, max_size=10))
def test_ten_thousand_requests_were_foreseen(fuzzed: Sender, sent: list[Incoming]) -> None:
    """The same at length: 10,000 requests."""
    for incoming in sent:
        fuzzed.check(incoming)


@pytest.mark.long
@pytest.mark.parametrize("name", ["one", "%00", "a%2Fb"])
def test_every_route_is_answered(fuzzed: Sender, name: str) -> None:
    """Each method of each document, handled or not, with each kind of name and with and without a body."""
    for route, (_, method) in sorted(every().items()):
        verb, _, address = route.partition(" ")
        path = "/".join(name if part in ("{}", "**") else part for part in address.split("/")).replace("{}", name)
        for body in (b"", b"{}") if method.request else (b"",):
            fuzzed.check(Incoming(verb, path, "project=p", {}, body))


def test_many_kinds_of_headers_are_foreseen(fuzzed: Sender) -> None:
    """Ranges, preconditions and overrides that are none, on each of storage's own paths."""
    values: list[Any] = ["", "x", "bytes=5-1", "bytes=0-0,2-3", "bytes=-0", "bytes 5-1/2", '"', "%00", "9" * 40, "é"]
    for verb, address in OWN:
        path, _, query = address.partition("?")
        for header in ("Range", "Content-Range", "If-Match", "x-goog-if-generation-match", "x-goog-hash"):
            value = values[(len(path) + len(header)) % len(values)]
            fuzzed.check(Incoming(verb, path, query, {header: value}, b""))
