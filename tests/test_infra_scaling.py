"""The page about scaling says what its kept measurement gives, and the picture lies beside it."""

import json

from infra.scaling import MINUTES, PAGE, PICTURE, ROWS, SPEEDS, compute, page


def test_the_page_is_made_of_the_kept_speeds() -> None:
    """Nobody edits the page: python -m infra.scaling makes it from model/docs/scaling.json and the price table."""
    speeds = json.loads(SPEEDS.read_text())
    assert PAGE.read_text() == page(speeds, compute(speeds))
    assert PICTURE.read_text().lstrip().startswith("<?xml")


def test_cost_a_row_falls_to_what_a_row_costs() -> None:
    """Starts are shared by more and more rows; workers come where the wanted time asks for them."""
    for place, sizes in compute(json.loads(SPEEDS.read_text())).items():
        a_row = [each.usd / rows for each, rows in zip(sizes, ROWS, strict=True)]
        assert a_row[0] > a_row[3] > a_row[6]
        assert sizes[0].workers == 1
        assert all(each.minutes <= MINUTES + 1e-6 for each in sizes) or place == "local"
