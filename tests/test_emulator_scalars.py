"""JSON scalars take one canonical form, or are refused."""

from typing import Any

import pytest

from infra.emulator.scalars import UnfitError, scalar


@pytest.mark.parametrize(
    ("schema", "value", "canonical"),
    [
        ({"type": "string", "format": "int64"}, 5, "5"),
        ({"type": "string", "format": "int64"}, "5", "5"),
        ({"type": "integer", "format": "int32"}, "5", 5),
        ({"type": "integer", "format": "int32"}, 5.0, 5),
        ({"type": "boolean"}, "true", True),
        ({"type": "number", "format": "double"}, "NaN", "NaN"),
        ({"type": "string", "format": "date-time"}, "9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999Z"),
        ({"type": "string", "enum": ["A", "B"]}, 1, "B"),
    ],
)
def test_scalars_have_one_form(schema: dict[str, Any], value: Any, canonical: Any) -> None:
    """64-bit integers are text, enums are names."""
    assert scalar(schema, value) == canonical


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string", "format": "int64"}, 2**63),
        ({"type": "string", "format": "int64"}, True),
        ({"type": "integer", "format": "int32"}, 2**31),
        ({"type": "integer", "format": "uint32"}, -1),
        ({"type": "integer", "format": "int32"}, 1.5),
        ({"type": "boolean"}, 1),
        ({"type": "number"}, "one"),
        ({"type": "string", "format": "google-datetime"}, "yesterday"),
        ({"type": "string", "format": "date-time"}, "2030-13-01T00:00:00Z"),
        ({"type": "string", "format": "date-time"}, "2030-02-30T00:00:00Z"),
        ({"type": "string", "format": "date-time"}, "2030-01-01T25:00:00Z"),
        ({"type": "string", "format": "date-time"}, "2030-01-01t00:00:00z"),
        ({"type": "string", "format": "date-time"}, "0000-01-01T00:00:00Z"),
        ({"type": "string", "format": "date-time"}, "9999-12-31T23:59:59-23:59"),
        ({"type": "string", "format": "date-time"}, "0001-01-01T00:00:00+00:01"),
        ({"type": "string", "format": "google-duration"}, "5"),
        ({"type": "string", "format": "byte"}, "not base64!"),
        ({"type": "string", "enum": ["A", "B"]}, "C"),
        ({"type": "string", "enum": ["A", "B"]}, 2),
        ({"type": "string"}, {}),
    ],
)
def test_scalars_of_another_type_are_refused(schema: dict[str, Any], value: Any) -> None:
    """Nothing is guessed."""
    with pytest.raises(UnfitError):
        scalar(schema, value)
