"""The local cloud's clock: the machine's, moved, kept, and what waits for it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.emulator import clock
from infra.emulator.calls import Cloud
from infra.emulator.errors import ApiError
from infra.emulator.objects import prepare
from infra.emulator.resources import Resources

SOON = timedelta(seconds=60)  # more than any machine needs between two lines


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """A cloud's state without a server."""
    cloud = Cloud(Resources(tmp_path / "cloud.sqlite"), tmp_path, "http://127.0.0.1:1")
    prepare(cloud)
    yield cloud
    cloud.resources.close()


def is_near(moment: datetime, expected: datetime) -> bool:
    """Tell whether a time is the expected one, give or take the seconds that a test needs."""
    return abs(moment - expected) < SOON


def test_the_clock_is_the_machines_until_it_is_moved(cloud: Cloud) -> None:
    """Moving adds up, setting replaces, zero sets it right, and what the API writes follows."""
    assert is_near(clock.now(cloud.resources), datetime.now(UTC))
    clock.advance(cloud, timedelta(days=1))
    assert is_near(clock.advance(cloud, timedelta(days=2)), datetime.now(UTC) + timedelta(days=3))
    assert is_near(datetime.fromisoformat(cloud.now()), datetime.now(UTC) + timedelta(days=3))
    clock.set_time(cloud, datetime(2031, 5, 1, 12))
    assert is_near(clock.now(cloud.resources), datetime(2031, 5, 1, 12, tzinfo=UTC))
    clock.move(cloud, timedelta())
    assert is_near(clock.now(cloud.resources), datetime.now(UTC))


def test_the_clock_stays_moved_over_a_restart(cloud: Cloud) -> None:
    """The offset is part of the state."""
    clock.advance(cloud, timedelta(days=-400))
    again = Resources(cloud.state / "cloud.sqlite")
    assert is_near(clock.now(again), datetime.now(UTC) - timedelta(days=400))
    again.close()


@pytest.mark.parametrize("days", [-40_000, 10_000_000, 900_000_000])
def test_a_time_that_no_answer_could_carry_is_refused(cloud: Cloud, days: int) -> None:
    """The clock stays where it is, and the refusal is a 400."""
    with pytest.raises(ApiError, match="1970 to 8999") as refused:
        clock.advance(cloud, timedelta(days=days))
    assert refused.value.code == 400
    assert is_near(clock.now(cloud.resources), datetime.now(UTC))


def test_what_waits_for_a_time_hears_of_a_move(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hooks run after the clock stands at its new time."""
    heard: list[str] = []
    monkeypatch.setattr(clock, "MOVE_HOOKS", [])
    clock.on_move(lambda cloud: heard.append(cloud.now()))
    clock.set_time(cloud, datetime(2031, 5, 1, tzinfo=UTC))
    assert [moment[:10] for moment in heard] == ["2031-05-01"]
