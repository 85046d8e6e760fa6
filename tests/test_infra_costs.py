"""Costs: each figure has a source or says that it is assumed; sums are what the table makes of the settings."""

import json
import re
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra import check_tasks, costs
from infra.costs import Use, cost_facts, cost_line, estimate, use_of
from infra.prices import FILE, MEMORY, UnknownPriceError, read_prices
from infra.regions import REGIONS
from infra.settings import NAMESPACE, from_config
from infra.stacks import Stack, StackError

GOOGLE = {"gcp:project": "my-project", "gcp:region": "us-central1"}


def config(**ours: Any) -> dict[str, Any]:
    """Return a Google stack's configuration."""
    return {**GOOGLE, **{f"{NAMESPACE}:{key}": value for key, value in ours.items()}}


@pytest.mark.parametrize("name", read_prices().figures)
def test_every_figure_has_a_dated_source_or_is_called_an_assumption(name: str) -> None:
    """Nobody has to guess where a number comes from, or how old it is."""
    figure = read_prices().figures[name]
    if figure.assumption:
        assert figure.note
        assert not figure.as_of
    else:
        assert figure.source.startswith("https://cloud.google.com/")
        assert date.fromisoformat(figure.as_of) <= date.fromisoformat(read_prices().as_of)
    assert figure.value > 0


def test_machines_cost_what_googles_pages_say() -> None:
    """The table's cores and memory add up to the published prices of whole machines."""
    prices = read_prices()
    assert prices.machine_hour("e2-standard-2") == pytest.approx(0.06701142)
    assert prices.machine_hour("n1-standard-2") == pytest.approx(0.0950, abs=1e-4)
    assert prices.prediction_hour("e2-standard-2") == pytest.approx(0.0770564, rel=1e-3)
    assert prices.prediction_hour("n1-standard-2") == pytest.approx(0.1095, rel=5e-3)
    assert {f"{family}_core" for family, _ in MEMORY} <= set(prices.figures)


def test_a_bare_stack_costs_cents_and_an_endpoint_and_a_notebook_cost_the_rest() -> None:
    """The month is the sum of what the settings ask for."""
    bare = estimate(from_config(config()))
    full = estimate(from_config(config(endpoints=["decorator", "functional"], notebook=True)))
    assert bare.month_usd == pytest.approx(10 * 0.020 + read_prices()["image_gib"] * 0.10)
    added = full.month_usd - bare.month_usd
    hour = read_prices().prediction_hour("n1-standard-2")
    assert added == pytest.approx(2 * 730 * hour + 40 * read_prices().machine_hour("e2-standard-4") + 250 * 0.10)
    assert sum(cost.usd for cost in full.month) == full.month_usd


def test_a_job_pays_for_its_start_and_for_its_rows() -> None:
    """More machines start more, the rows cost the same."""
    settings = from_config(config())
    hour = read_prices().prediction_hour("n1-standard-2")
    one = estimate(settings, Use(rows=3_600_000, rows_per_second=1000, startup_minutes=6))
    four = estimate(settings, Use(rows=3_600_000, rows_per_second=1000, startup_minutes=6, machines=4))
    assert one.job_usd == pytest.approx(hour * 1.1)
    assert four.job_usd == pytest.approx(hour * 1.4)


def test_what_is_assumed_is_printed() -> None:
    """The region of the prices, the assumed use and what is not counted stand beside the sum."""
    told = "\n".join(estimate(from_config({**GOOGLE, "gcp:region": "europe-west4"})).assumptions)
    for part in (
        "in europe-west4: us-central1's price times the ratio of both regions' prices on 2025-03-06",
        "starts for 5 minutes",
        "--rows-per-second",
        "Not counted",
        "management fee",
        "were not read",
    ):
        assert part in told
    assert "times the ratio" not in "\n".join(estimate(from_config(GOOGLE)).assumptions)


@pytest.mark.parametrize("region", sorted(REGIONS))
def test_every_region_has_prices_of_its_own(region: str) -> None:
    """Machines cost what the catalog of that region says; where it has none, the line says so."""
    prices, base = read_prices(region), read_prices()
    table = json.loads(FILE.read_text())["regions"][region]
    assert prices.machine_hour("e2-standard-8") == pytest.approx(table["e2-standard-8"], rel=1e-6)
    assert prices["storage"] == pytest.approx(table["storage"])
    assert prices["image"] == base["image"]
    if "n1-standard-2" in table:
        assert prices.machine_hour("n1-standard-2") == pytest.approx(table["n1-standard-2"], rel=1e-3)
        return
    with pytest.raises(UnknownPriceError, match=f"'n1-standard-2' in {region}: infra/prices.json has none"):
        prices.machine_hour("n1-standard-2")


def test_a_region_without_prices_is_refused() -> None:
    """No region is silently priced as another."""
    with pytest.raises(UnknownPriceError, match="No prices for region 'moon-1'"):
        read_prices("moon-1")


def test_key_and_nat_cost_where_the_settings_add_them() -> None:
    """A key of one's own is paid for by the stack, one that was there is not; the NAT's address is always on."""
    bare, prices = estimate(from_config(config())), read_prices()
    own = estimate(from_config(config(kmsKey="new")))
    assert own.month_usd - bare.month_usd == pytest.approx(prices["key_version"])
    notebook = config(notebook=True, privateNetwork=True)
    closed, open_ = (estimate(from_config({**notebook, f"{NAMESPACE}:networkInternet": on})) for on in (False, True))
    assert open_.month_usd - closed.month_usd == pytest.approx(730 * prices["nat_address"] + 40 * prices["nat_machine"])
    assert "NAT" not in "\n".join(closed.assumptions)


def test_an_image_of_others_costs_nothing() -> None:
    """Google's prebuilt image is not in the stack's repository."""
    built, prebuilt = (estimate(from_config(config(servingImage=image))) for image in ("", "prebuilt"))
    assert built.month_usd - prebuilt.month_usd == pytest.approx(read_prices()["image_gib"] * read_prices()["image"])


def test_a_machine_without_a_price_is_named_with_the_file_to_mend() -> None:
    """An unknown family is no zero; the preview goes on and says so."""
    wanted = config(machineType="c3-standard-4")
    with pytest.raises(UnknownPriceError, match=r"'c3-standard-4': infra/prices.json knows c2-standard-N"):
        estimate(from_config(wanted))
    assert cost_line(from_config(wanted)).startswith("Costs are not known: No price for machine type")
    assert cost_facts(Stack("dev", FILE, wanted)) is None


def test_preview_has_the_costs_in_one_line() -> None:
    """The dearest part is named: it is what a reader would turn off."""
    stack = Stack("dev", FILE, config(endpoints=["decorator"]))
    line = cost_line(from_config(stack.config))
    assert re.match(r"On Google Cloud about 79\.98 USD a month .*most of it: endpoint decorator\)", line)
    assert "\n" not in line
    told = cost_facts(stack)
    assert told is not None
    assert told["monthUsd"] == 79.98


@pytest.mark.parametrize(
    ("name", "text"),
    [("machines", "0"), ("rows", "many"), ("rows", "-1"), ("rows_per_second", "0"), ("storage_gib", "nan")],
)
def test_an_assumption_that_makes_no_sense_is_refused(name: str, text: str) -> None:
    """One line names the option and what it takes."""
    with pytest.raises(StackError, match=rf"--{name.replace('_', '-')} is '{text}'; wanted: a number"):
        use_of(**{name: text})


def test_millions_are_written_as_one_likes() -> None:
    """Exponents and separators, as `invoke size` takes them; what is beyond all sense is refused."""
    assert use_of(rows="5e6").rows == use_of(rows="5,000,000").rows == use_of(rows="5_000_000").rows == 5_000_000
    with pytest.raises(StackError, match="--rows is '1e99'"):
        use_of(rows="1e99")


@given(st.fixed_dictionaries({}, optional={name: st.text(max_size=6) for name in Use.__dataclass_fields__}))
def test_options_are_read_or_refused(texts: dict[str, str]) -> None:
    """Whatever is typed ends in a use that costs something finite, or in a StackError."""
    try:
        use = use_of(**texts)
    except StackError:
        return
    assert 0 <= estimate(from_config(GOOGLE), use).job_usd < 1e30


def test_the_task_prints_one_object(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json the sums are the last line of stdout, everything else is on stderr."""
    from invoke import Context

    monkeypatch.setattr(check_tasks, "read_stack", lambda name: Stack(name, FILE, config(notebook=True)))
    check_tasks.costs(Context(), stack="dev", rows="2,000,000", json=True)
    facts = json.loads(capsys.readouterr().out)
    assert facts["monthUsd"] == pytest.approx(sum(cost["usd"] for cost in facts["month"]), abs=0.01)
    assert facts["job"][1]["what"] == "2,000,000 rows"
    check_tasks.costs(Context(), stack="dev")
    assert "notebook: disks" in capsys.readouterr().out
    assert costs.Use().rows == 1_000_000
