"""What the engine has to reach beside its peers, and what it reached."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from model.bench.ways import (
    BEAM,
    IMPORT,
    KERAS_32,
    KERAS_8192,
    KERAS_LOOP,
    NATIVE,
    OURS,
    OURS_BAD,
    OURS_BEAM,
    OURS_ONE_FILE,
    OURS_SMALL,
    OURS_TENFOLD,
    RAY,
    RUN_INFERENCE,
    SPARK,
)

FULL_ROWS = 1_000_000  # what the targets are set for


@dataclass(frozen=True)
class Target:
    """A bound on how much of something one way takes for what another takes; None: measured, and not bound."""

    claim: str
    way: str
    other: str
    bound: float | None
    of: str = "wall"  # or "peak_mb"
    at_least: bool = False
    per_row: bool = False  # of ways that predict different numbers of rows, start-up included

    def text(self) -> str:
        """The bound as people write it."""
        return "none" if self.bound is None else f"{'≥' if self.at_least else '≤'} {self.bound:g}"


@dataclass(frozen=True)
class Reached:
    """A target and the ratio that was measured; beside it that of processor time, which a busy machine changes less."""

    target: Target
    ratio: float | None  # None: a way failed, the target cannot be judged
    cpu_ratio: float | None

    @property
    def met(self) -> bool | None:
        """Whether the ratio is within the bound."""
        if self.ratio is None or self.target.bound is None:
            return None
        return self.ratio >= self.target.bound if self.target.at_least else self.ratio <= self.target.bound


def _faster(times: float | None, than: str, way: str = OURS, how: str = "", *, per_row: bool = False) -> Target:
    return Target(f"{way}: faster than {than}{how}, times", than, way, times, at_least=True, per_row=per_row)


TARGETS = (
    _faster(40, KERAS_LOOP, how=", by seconds a row, starts included", per_row=True),
    _faster(None, KERAS_32, how=", a file a call"),
    _faster(10, KERAS_8192, how=", a file a call"),
    _faster(8, BEAM),
    _faster(8, RAY),
    _faster(8, SPARK),
    _faster(4, RUN_INFERENCE, OURS_BEAM),
    Target("slower than native C, times", OURS, NATIVE, 2.0),
    Target("one large file to ten files, time", OURS_ONE_FILE, OURS, 1.15),
    Target("a tenth of the rows to importing TensorFlow, time", OURS_SMALL, IMPORT, 1.0),
    Target("10% bad rows to none, time", OURS_BAD, OURS, 1.15),
    Target("ten times the rows, peak memory", OURS_TENFOLD, OURS, 1.15, of="peak_mb"),
)


def reached(measured: Mapping[str, Mapping[str, float]], failed: Iterable[str] = ()) -> list[Reached]:
    """Return the targets of which both ways were measured, and, not judged, those of which one or both failed."""
    ran = {*measured, *failed}
    return [_reached(target, measured) for target in TARGETS if {target.way, target.other} <= ran]


def _reached(target: Target, measured: Mapping[str, Mapping[str, float]]) -> Reached:
    if not {target.way, target.other} <= set(measured):
        return Reached(target, None, None)

    def taken(way: str, of: str) -> float:
        return measured[way][of] / (measured[way]["rows"] if target.per_row else 1)

    def ratio(of: str) -> float:
        return taken(target.way, of) / max(taken(target.other, of), 1e-9)

    return Reached(target, ratio(target.of), ratio("cpu") if target.of == "wall" else None)
