"""The charts of the report page, and the bins of scores that some of them show."""

from __future__ import annotations

import re
from itertools import pairwise

import matplotlib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid.errors import MissingExtra
from hybrid.evaluate.page.calibration import DEPTH, bins
from hybrid.evaluate.page.charts import SLOTS, Charts
from hybrid.types import Run


def colours(svg: str) -> set[str]:
    return set(re.findall(r"--[a-z0-9-]+", svg))


# Charts


def test_a_chart_is_a_part_of_a_page_and_not_a_file() -> None:
    svg = Charts().curves([1, 5, 10], [[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]])
    assert svg.startswith("<svg viewBox=")
    assert svg.endswith("</svg>")
    for word in ("http", "xlink", "<style", "<metadata", "<!--", "font-family", "DejaVu", 'pt"'):
        assert word not in svg
    assert ">cutoff (ranks, logarithmic)</text>" in svg


def test_two_charts_of_a_page_share_no_id() -> None:
    charts = Charts()
    first, second = (charts.curves([1, 10], [[0.1, 0.2]]) for _ in range(2))
    assert not set(re.findall(r' id="([^"]*)', first)) & set(re.findall(r' id="([^"]*)', second))
    assert first == Charts().curves([1, 10], [[0.1, 0.2]])


def test_a_system_has_one_colour_and_a_bar_that_of_whom_it_speaks_for() -> None:
    charts = Charts()
    assert "--system-2" in colours(charts.key(2)) & colours(charts.interval(-1, 0, 1, 2, 2))
    assert "--system-2" in colours(charts.latency([1, 2, 3], 3, SLOTS + 2))
    assert charts.key(2).split("<path")[-1] != charts.key(SLOTS + 2).split("<path")[-1]
    bars = charts.differences([0.5, -0.5], system=1, baseline=3, limit=1)
    assert colours(bars) == {"--system-1", "--system-3", "--ink", "--muted", "--rule"}
    assert "--system-3" not in colours(charts.differences([0.5, 0], system=1, baseline=3, limit=1))


def test_a_bar_a_query_while_they_can_be_told_apart() -> None:
    def bars(queries: int) -> str:
        values = [number / queries - 0.5 for number in range(queries)]
        return Charts().differences(values, system=0, baseline=1, limit=0.5)

    assert bars(51).count("fill: var(--system-0)") == 25
    assert bars(5001).count("fill: var(--system-0)") == 1
    assert len(bars(5001)) < 50_000


def test_what_the_user_has_set_up_for_matplotlib_has_no_say_and_stays() -> None:
    plain = Charts().curves([1, 10], [[0.1, 0.2]])
    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "path"}):
        assert Charts().curves([1, 10], [[0.1, 0.2]]) == plain
        assert matplotlib.rcParams["font.size"] == 30


def test_without_the_extra_it_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybrid.errors.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"run: pip install 'hybrid-retrieval\[report\]'"):
        Charts()


# Score calibration


def test_the_bins_by_hand() -> None:
    run: Run = {"q": [("a", 3.0), ("b", 2.0), ("c", 2.0), ("d", 1.0)], "unjudged": [("a", 9.0)]}
    lowest, *_, highest = found = bins(run, {"q": {"a": 2, "b": 1, "c": 0}})
    assert sum(one.hits for one in found) == 4
    assert (lowest.low, lowest.hits, lowest.relevant, lowest.unjudged) == (1.0, 1, 0, 1)
    assert (highest.high, highest.share, highest.unjudged_share) == (3.0, 1.0, 0.0)
    (both,) = [one for one in found if one.low <= 2.0 <= one.high]
    assert (both.hits, both.relevant, both.share) == (2, 1, 1 / 2)


@given(st.lists(st.tuples(st.integers(0, 8), st.sampled_from([None, 0, 1, 3])), min_size=1, max_size=DEPTH))
def test_every_hit_is_in_one_bin_and_equal_scores_are_together(hits: list[tuple[int, int | None]]) -> None:
    run: Run = {"q": [(f"d{number}", float(score)) for number, (score, _) in enumerate(hits)]}
    grades = {f"d{number}": grade for number, (_, grade) in enumerate(hits) if grade is not None}
    found = bins(run, {"q": grades})
    assert sum(one.hits for one in found) == len(hits)
    assert sum(one.unjudged for one in found) == len(hits) - len(grades)
    assert sum(one.relevant for one in found) == sum(grade > 0 for grade in grades.values())
    assert all(below.high < above.low for below, above in pairwise(found))


def test_small_scores_are_not_rounded_away() -> None:
    run: Run = {"q": [(f"d{rank}", 1 / (60 + rank)) for rank in range(1, 51)]}
    svg = Charts().calibration(bins(run, {"q": {"d1": 1}}), 0, 100.0)
    assert ">0.0164<" in svg
    assert ">0.00909<" in svg
