"""What any client may send to the local cloud, and the form in which it is refused."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.cloud import LocalCloud, start_cloud

ENDPOINTS = "/aiplatform/v1/projects/request-project/locations/us-central1/endpoints"
SERVICES = "/serviceusage/v1/projects/request-project/services"
REPOSITORIES = "/artifactregistry/v1/projects/request-project/locations/us-central1/repositories"


def call(cloud: LocalCloud, method: str, path: str, **arguments: Any) -> requests.Response:
    """Send one request."""
    return requests.request(method, cloud.url + path, timeout=30, **arguments)


def error_of(answer: requests.Response) -> dict[str, Any]:
    """Return the error of Google's envelope."""
    error: dict[str, Any] = answer.json()["error"]
    assert error["code"] == answer.status_code
    return error


def test_health_says_what_runs(local_cloud: LocalCloud) -> None:
    """Health names version, process, state folder and counts."""
    health = call(local_cloud, "GET", "/healthz").json()
    assert (health["status"], health["pid"]) == ("ok", local_cloud.process.pid)
    assert (health["state"], health["url"]) == (str(local_cloud.state), local_cloud.url)
    assert health["methods"] > 50
    assert health["uptimeSeconds"] > 0


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "127.0.0.2:80", ""])
def test_foreign_hosts_are_refused(local_cloud: LocalCloud, host: str) -> None:
    """A web page that points its own name at the loopback reaches nothing."""
    assert call(local_cloud, "GET", "/healthz", headers={"Host": host}).status_code in (400, 403)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8790"])
def test_this_machines_names_are_taken(local_cloud: LocalCloud, host: str) -> None:
    """Whatever the port, the loopback's names pass."""
    assert call(local_cloud, "GET", "/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("origin", "status"), [("http://evil.example", 403), ("null", 403), ("http://localhost:3000", 200)]
)
def test_pages_of_other_sites_are_refused(local_cloud: LocalCloud, origin: str, status: int) -> None:
    """A browser's Origin must be this machine's."""
    assert call(local_cloud, "GET", "/healthz", headers={"Origin": origin}).status_code == status


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"wrong": 1}, "Invalid JSON payload received. Unknown name \"wrong\" at 'endpoint': Cannot find field."),
        ({"displayName": 1}, "Invalid value at 'endpoint.display_name' (TYPE_STRING), 1"),
        ({"displayName": {"a": 1}}, "Invalid value at 'endpoint.display_name' (TYPE_STRING), {'a': 1}"),
        ({"labels": {"a": 1}}, "Invalid value at 'endpoint.labels['a']' (TYPE_STRING), 1"),
        ({"labels": "a"}, "Invalid value at 'endpoint.labels' (type.googleapis.com/google.protobuf.Struct), \"a\""),
        ({"trafficSplit": {"0": "x"}}, "Invalid value at 'endpoint.traffic_split['0']' (TYPE_INT32), \"x\""),
        (
            {"dedicatedEndpointEnabled": "perhaps"},
            "Invalid value at 'endpoint.dedicated_endpoint_enabled' (TYPE_BOOL), \"perhaps\"",
        ),
        (
            {"displayName": ["a"]},
            "Invalid JSON payload received. Unknown name \"display_name\" at 'endpoint': "
            "Proto field is not repeating, cannot start list.",
        ),
    ],
)
def test_wrong_fields_get_googles_400(local_cloud: LocalCloud, body: Any, message: str) -> None:
    """An unknown field and a wrong type are named as Google names them, with a BadRequest detail."""
    error = error_of(call(local_cloud, "POST", ENDPOINTS, json=body))
    assert (error["code"], error["status"], error["message"]) == (400, "INVALID_ARGUMENT", message)
    assert error["details"][0]["@type"] == "type.googleapis.com/google.rpc.BadRequest"
    assert error["details"][0]["fieldViolations"][0]["description"] == message


def test_every_wrong_field_is_named_at_once(local_cloud: LocalCloud) -> None:
    """Two mistakes make two violations."""
    error = error_of(call(local_cloud, "POST", ENDPOINTS, json={"wrong": 1, "displayName": 2}))
    assert len(error["details"][0]["fieldViolations"]) == len(error["message"].splitlines()) == 2


@pytest.mark.parametrize(
    "body", [b"{", b"[1]", b'"text"', b"1", b"nonsense", b"\xff\xfe", b'{"a": NaN}', b'{"a": "\\ud800"}']
)
def test_bodies_that_are_no_json_object_get_400(local_cloud: LocalCloud, body: bytes) -> None:
    """Malformed JSON is said to be so."""
    error = error_of(call(local_cloud, "POST", ENDPOINTS, data=body))
    assert error["code"] == 400
    assert error["message"].startswith("Invalid JSON payload received.")


def test_unknown_query_parameters_get_400(local_cloud: LocalCloud) -> None:
    """Google's text for a parameter that the method lacks, and for a value of the wrong type."""
    error = error_of(call(local_cloud, "GET", f"{SERVICES}?colour=blue"))
    assert "Unknown name \"colour\": Cannot bind query parameter. Field 'colour' could not be found" in error["message"]
    error = error_of(call(local_cloud, "GET", f"{SERVICES}?pageSize=many"))
    assert error["message"] == "Invalid value at 'page_size' (TYPE_INT32), \"many\""


def test_system_parameters_and_snake_case_are_known(local_cloud: LocalCloud) -> None:
    """`$alt`, `$.xgafv`, `prettyPrint` and `page_size` pass on every method."""
    query = "$alt=json;enum-encoding=int&$.xgafv=2&prettyPrint=false&key=k&page_size=1&fields=services/name"
    assert len(call(local_cloud, "GET", f"{SERVICES}?{query}").json()["services"]) == 1


def test_snake_case_bodies_and_numbers_for_enums_are_taken(local_cloud: LocalCloud) -> None:
    """What a gRPC-minded client writes becomes what the documents call it."""
    body = {"format": 1, "docker_config": {"immutable_tags": True}}
    made = call(local_cloud, "POST", f"{REPOSITORIES}?repository_id=snake", json=body).json()["response"]
    assert (made["format"], made["dockerConfig"]) == ("DOCKER", {"immutableTags": True})


def test_fields_that_only_the_service_writes_are_dropped(local_cloud: LocalCloud) -> None:
    """A client cannot set a creation time or a size."""
    body = {"format": "DOCKER", "createTime": "2001-01-01T00:00:00Z", "sizeBytes": 12}
    made = call(local_cloud, "POST", f"{REPOSITORIES}?repositoryId=times", json=body).json()["response"]
    assert made["createTime"] > "2024"
    assert "sizeBytes" not in made


def test_long_queries_come_as_posts(local_cloud: LocalCloud) -> None:
    """A POST that names GET as its method is one; its form is the query."""
    headers = {"X-HTTP-Method-Override": "GET", "Content-Type": "application/x-www-form-urlencoded"}
    answer = call(local_cloud, "POST", SERVICES, data="filter=state:ENABLED&pageSize=1", headers=headers)
    assert len(answer.json()["services"]) == 1


def test_compressed_bodies_are_unpacked(local_cloud: LocalCloud) -> None:
    """A gzip body is read; one that is not gzip gets 400."""
    headers, path = {"Content-Encoding": "gzip"}, f"{SERVICES}/ml.googleapis.com:enable"
    assert call(local_cloud, "POST", path, data=gzip.compress(b"{}"), headers=headers).status_code == 200
    assert call(local_cloud, "POST", path, data=b"plain", headers=headers).status_code == 400
    bomb = gzip.compress(b" " * 40_000_000)
    assert call(local_cloud, "POST", path, data=bomb, headers=headers).status_code == 413


def test_large_bodies_get_413(local_cloud: LocalCloud) -> None:
    """JSON of more than 10 MB is refused, and the connection goes on."""
    body = json.dumps({"displayName": "x" * 11_000_000})
    with requests.Session() as session:
        assert session.post(local_cloud.url + ENDPOINTS, data=body, timeout=30).status_code == 413
        assert session.get(local_cloud.url + "/healthz", timeout=30).status_code == 200


def test_deep_json_gets_400(local_cloud: LocalCloud) -> None:
    """Messages nested deeper than protocol buffers allow are refused, wherever anything may stand."""
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    model = {"model": {"displayName": "deep", "metadata": deep}}
    path = "/aiplatform/v1/projects/request-project/locations/us-central1/models:upload"
    assert "Message too deep" in error_of(call(local_cloud, "POST", path, json=model))["message"]


@pytest.mark.parametrize(
    "path", ["/nothing/here", "/iam/v9/projects", "/aiplatform/v1/nothing/here", "/storage/v1/nothing"]
)
def test_unknown_addresses_get_404(local_cloud: LocalCloud, path: str) -> None:
    """What neither an API nor a bucket has is not found."""
    assert call(local_cloud, "GET", path).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "method_id"),
    [
        (
            "POST",
            "/aiplatform/v1/projects/p/locations/l/pipelineJobs",
            "aiplatform.projects.locations.pipelineJobs.create",
        ),
        ("GET", "/cloudbuild/v1/projects/p/triggers", "cloudbuild.projects.triggers.list"),
        ("GET", "/compute/v1/projects/p/zones", "compute.zones.list"),
        ("GET", "/compute/compute/beta/projects/p/zones", "compute.zones.list"),
    ],
)
def test_methods_without_a_handler_get_501(local_cloud: LocalCloud, method: str, path: str, method_id: str) -> None:
    """What Google has and the local cloud has not is named."""
    answer = call(local_cloud, method, path, json={} if method == "POST" else None)
    assert error_of(answer)["status"] == "UNIMPLEMENTED"
    assert method_id in error_of(answer)["message"]


def test_operations_are_polled_where_the_vertex_sdk_polls_them(local_cloud: LocalCloud) -> None:
    """`/ui/{name}` answers as `/v1/{name}` does."""
    operation = call(local_cloud, "POST", ENDPOINTS, json={"displayName": "polled"}).json()
    for prefix in ("/ui/", "/aiplatform/ui/", "/aiplatform/v1/", "/aiplatform/v1beta1/"):
        assert call(local_cloud, "GET", prefix + operation["name"]).json() == operation
    waited = call(local_cloud, "POST", f"/aiplatform/v1/{operation['name']}:wait?timeout=1s")
    assert waited.json() == operation
    assert call(local_cloud, "DELETE", f"/aiplatform/v1/{operation['name']}").json() == {}
    assert call(local_cloud, "GET", f"/aiplatform/v1/{operation['name']}").status_code == 404


def test_head_answers_like_get_without_a_body(local_cloud: LocalCloud) -> None:
    """HEAD carries the headers alone."""
    answer = call(local_cloud, "HEAD", f"{SERVICES}/iam.googleapis.com")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.fixture(scope="module")
def strict_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """An emulator that demands a token and forgives unknown names."""
    cloud = start_cloud(tmp_path_factory.mktemp("strict"), "--token", "secret", "--lenient")
    yield cloud
    cloud.stop()


@pytest.mark.parametrize(("token", "status"), [("secret", 200), ("wrong", 401), ("", 401), ("sécret", 401)])
def test_the_token_is_demanded(strict_cloud: LocalCloud, token: str, status: int) -> None:
    """Without the right token there is only health."""
    headers = {"Authorization": f"Bearer {token}".encode()} if token else {}
    answer = call(strict_cloud, "GET", SERVICES, headers=headers)
    assert answer.status_code == status
    assert status == 200 or error_of(answer)["status"] == "UNAUTHENTICATED"
    assert call(strict_cloud, "GET", "/healthz").status_code == 200


def test_a_lenient_cloud_only_logs_unknown_names(strict_cloud: LocalCloud) -> None:
    """`--lenient` is for clients that are newer than the documents: the name is logged and dropped."""
    headers = {"Authorization": "Bearer secret"}
    path = f"{REPOSITORIES}?repositoryId=lenient&newParameter=1"
    made = call(strict_cloud, "POST", path, json={"format": "DOCKER", "newField": 1}, headers=headers)
    assert made.status_code == 200
    assert "newField" not in made.json()["response"]
    assert 'Unknown name "newField"' in (strict_cloud.state / "emulator.stderr").read_text()
