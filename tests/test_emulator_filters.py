"""List filters of the local Vertex AI: the documented examples, and no input that breaks the parser."""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.emulator.errors import ApiError
from infra.emulator.filters import matcher

JOB = {
    "displayName": "my_job_1",
    "state": "JOB_STATE_SUCCEEDED",
    "createTime": "2021-05-18T08:00:00.123456Z",
    "labels": {"keyA": "valueA", "a key": "x"},
}
FIELDS = {name: (lambda body, name=name: body.get(name)) for name in ("displayName", "state", "createTime", "endTime")}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("", True),
        ('state="JOB_STATE_SUCCEEDED" AND display_name:"my_job_*"', True),
        ('state!="JOB_STATE_FAILED" OR display_name="my_job"', True),
        ('NOT display_name="my_job"', True),
        ('create_time>"2021-05-18T00:00:00Z"', True),
        ('create_time<="2021-05-18T00:00:00Z"', False),
        ("labels.keyA=valueA", True),
        ("labels.keyA=other", False),
        ("labels.keyB:*", False),
        ("labels.keyA:*", True),
        ("labels:keyA", True),
        ('labels."a key"=x', True),
        ("create_time>2021-05-18", True),
        ("end_time=never", False),
        ("end_time!=never", True),
        ('(displayName="a" OR displayName="my_job_1") state=JOB_STATE_SUCCEEDED', True),
        ('displayName="a" OR displayName="my_job_1" AND state=nothing', False),
        (r'display_name="my\"job"', False),
    ],
)
def test_documented_filters(text: str, holds: bool) -> None:
    """Filters mean what their documentation says."""
    assert matcher(text, FIELDS)(JOB) is holds


WRONG = ["state", "state=", "=a", "(state=a", "state=a)", "unknown=a", 'state="a', "NOT", "a AND", "(" * 10000]


@pytest.mark.parametrize("text", WRONG, ids=lambda text: text[:9])
def test_wrong_filters_are_refused(text: str) -> None:
    """A filter that cannot be read is a 400 that shows it."""
    with pytest.raises(ApiError, match="Invalid filter") as caught:
        matcher(text, FIELDS)
    assert caught.value.code == 400


PARTS = ["state", "=", ">", "(", ")", "OR", '"a"', "NOT", ":", "labels.k", "create_time", "2021-05-18"]


@given(st.text(alphabet=string.printable, max_size=40) | st.lists(st.sampled_from(PARTS)).map(" ".join))
def test_no_text_breaks_the_parser(text: str) -> None:
    """Whatever is sent either is a filter or a 400."""
    try:
        result: Any = matcher(text, FIELDS)(JOB)
    except ApiError as error:
        assert error.code == 400
    else:
        assert isinstance(result, bool)
