"""The charts of the report page, drawn by matplotlib as SVG that stands inside HTML.

Only numbers go in: names of systems, which are anybody's text, stay in the page around the chart. So no
font here needs to know them, and nothing needs escaping. Colours are stand-ins that the page's style
sheet gives a meaning to, one for light and one for dark: a chart says ``var(--system-2)``.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from hybrid.errors import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from hybrid.evaluate.page.calibration import Bin

SLOTS: Final = 8
"""The number of colours; the ninth system has the first one's, and another marker."""
_MARKERS: Final = "osD^vPX"
_INK, _MUTED, _RULE = "#0000fa", "#0000fb", "#0000fc"
_VARIABLES: Final = {_INK: "var(--ink)", _MUTED: "var(--muted)", _RULE: "var(--rule)"} | {
    f"#0000e{slot}": f"var(--system-{slot})" for slot in range(SLOTS)
}
_SIZE: Final = (3.6, 2.3)  # inches; the page scales it
_STRIP: Final = (1.7, 0.2)
_GAPS_UP_TO: Final = 150  # bars; more are drawn as one outline
_STYLE: Final[dict[str, Any]] = {
    "axes.axisbelow": True,
    "axes.edgecolor": _MUTED,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": _INK,
    "axes.linewidth": 0.6,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "none",
    "font.size": 7.5,
    "grid.color": _RULE,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "hybrid-retrieval",
    "text.color": _INK,
    "xtick.color": _MUTED,
    "xtick.labelcolor": _INK,
    "xtick.major.width": 0.6,
    "ytick.color": _MUTED,
    "ytick.labelcolor": _INK,
    "ytick.major.size": 0,
}
_Size: TypeAlias = tuple[float, float]


def _colour(system: int) -> str:
    return f"#0000e{system % SLOTS}"


def _look(system: int) -> dict[str, Any]:
    return {"color": _colour(system), "marker": _MARKERS[system % len(_MARKERS)]}


class Charts:
    """The charts of one page: no two share an element id. A system goes by its place in the report,
    from 0, and has the same colour and marker in every chart.

    Raises MissingExtra unless matplotlib is installed.
    """

    def __init__(self) -> None:
        require("the report page", "matplotlib", extra="report")
        self._drawn = count()

    def key(self, system: int) -> str:
        """A short stretch of the system's line, for the page to put before its name."""

        def paint(figure: Figure) -> None:
            axes = _bare(figure, (0, 1))
            axes.plot([0.1, 0.9], [0, 0], clip_on=False, **_look(system) | {"marker": ""})
            axes.plot([0.5], [0], clip_on=False, markersize=5.5, **_look(system))

        return self._draw(paint, (0.28, 0.16))

    def curves(self, cutoffs: Sequence[int], values: Sequence[Sequence[float]]) -> str:
        """A line a system over logarithmic cutoffs; ``values``: system x cutoff, from 0 to 1."""

        def paint(figure: Figure) -> None:
            axes = figure.subplots()
            for system, line in enumerate(values):
                axes.plot(cutoffs, line, clip_on=False, **_look(system))
            axes.set_xscale("log")
            axes.set_xticks(cutoffs, labels=[str(cutoff) for cutoff in cutoffs])
            axes.set_xticks([], minor=True)
            axes.set_ylim(bottom=0)
            axes.set_xlabel("cutoff (ranks, logarithmic)")

        return self._draw(paint)

    def differences(self, values: Sequence[float], system: int, baseline: int, limit: float) -> str:
        """A bar a query, best for the system first; a bar has the colour of the system that is better
        there.

        ``limit``: how far the axis goes to both sides of 0.
        """
        from matplotlib.ticker import MaxNLocator

        def paint(figure: Figure) -> None:
            axes = figure.subplots()
            heights = np.sort(np.asarray(values, np.float64))[::-1]
            _bars(axes, np.maximum(heights, 0), _colour(system))
            _bars(axes, np.minimum(heights, 0), _colour(baseline))
            axes.axhline(0, color=_MUTED, linewidth=0.6)
            axes.set_ylim(-limit, limit)
            axes.set_xlim(0.4, len(heights) + 0.6)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_xlabel("queries, sorted by difference")

        return self._draw(paint)

    def calibration(self, bins: Sequence[Bin], system: int, top: float) -> str:
        """Above, the share of relevant hits in each range of scores, with how many there are; below,
        the share that is not judged. ``top``: where the upper axis ends, in percent."""

        def paint(figure: Figure) -> None:
            upper, lower = figure.subplots(2, sharex=True, height_ratios=[3, 1])
            places = range(len(bins))
            relevant = upper.bar(places, [100 * b.share for b in bins], 0.86, color=_colour(system))
            upper.bar_label(relevant, [f"{b.relevant}" for b in bins], padding=1, fontsize=6)
            upper.tick_params(bottom=False)
            upper.set(ylim=(0, top), ylabel="relevant, %")
            lower.bar(places, [100 * b.unjudged_share for b in bins], 0.86, color=_MUTED)
            lower.set(ylim=(0, 100), yticks=[0, 50, 100], ylabel="unjudged, %", xlabel="score")
            _scores(lower, bins)

        return self._draw(paint, (_SIZE[0], 2.7))

    def interval(self, low: float, value: float, high: float, limit: float, system: int) -> str:
        """A dot and its interval about a hairline at 0, on an axis from -limit to limit."""

        def paint(figure: Figure) -> None:
            axes = _bare(figure, (-limit, limit))
            axes.axvline(0, color=_MUTED, linewidth=0.6)
            axes.plot([low, high], [0, 0], color=_colour(system))
            axes.plot([value], [0], **_look(system))

        return self._draw(paint, _STRIP)

    def latency(self, percentiles: Sequence[float], longest: float, system: int) -> str:
        """A dot at the median and strokes at the higher percentiles, on an axis from 0 to longest."""

        def paint(figure: Figure) -> None:
            axes = _bare(figure, (-0.03 * longest, 1.03 * longest))
            axes.plot([0, longest], [0, 0], color=_RULE, linewidth=0.5)
            axes.plot([percentiles[0], percentiles[-1]], [0, 0], color=_colour(system))
            axes.plot(percentiles[1:], [0] * len(percentiles[1:]), "|", color=_colour(system), markersize=7)
            axes.plot(percentiles[:1], [0], **_look(system))

        return self._draw(paint, _STRIP)

    def _draw(self, paint: Callable[[Figure], None], size: _Size = _SIZE) -> str:
        from matplotlib import style
        from matplotlib.figure import Figure

        file = io.StringIO()
        # After a reset: the user's own matplotlibrc has no say here.
        with style.context(_STYLE, after_reset=True):
            figure = Figure(size, layout="constrained")
            paint(figure)
            figure.savefig(file, format="svg", metadata=dict.fromkeys(_METADATA))
        return _inline(file.getvalue(), f"chart{next(self._drawn)}-")


# Parts of charts


def _bare(figure: Figure, limits: tuple[float, float]) -> Axes:
    """Axes without an axis, as large as the figure."""
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=limits, ylim=(-1, 1))
    return axes


def _bars(axes: Axes, heights: NDArray[np.float64], colour: str) -> None:
    if len(heights) <= _GAPS_UP_TO:
        shown = np.flatnonzero(heights)
        axes.bar(shown + 1, heights[shown], 0.8, color=colour)
        return
    # Neighbours of one height, as they appear on a screen, are one step of the outline.
    heights = heights.round(3)
    edges = np.flatnonzero(np.diff(heights, prepend=np.nan, append=np.nan))
    axes.stairs(heights[edges[:-1]], edges + 0.5, fill=True, color=colour, linewidth=0)


def _scores(axes: Axes, bins: Sequence[Bin]) -> None:
    """The scores between the bars, no more of them than can be read."""
    edges = [*(b.low for b in bins), bins[-1].high]
    every = 1 if len(edges) <= 6 else 2
    places = np.arange(len(edges))[::every]
    axes.set_xticks(
        places - 0.5, labels=[f"{edges[place]:.3g}".replace("-", "\N{MINUS SIGN}") for place in places]
    )


# From a file of its own to a part of a page

_METADATA: Final = ("Creator", "Date", "Format", "Type")
_NOT_IN_A_PAGE: Final = re.compile(
    r"""<style.*?</style> | <!--.*?-->                    # would style the page; is chatter
    | \s xmlns(:xlink)?="[^"]*" | (?<=\s)xlink:(?=href)   # the HTML parser knows
    | \s(width|height)="[\d.]+pt" | \sversion="1.1"       # the size: the page's style sheet says
    | ;?\s?font-family:[^;"]*                             # the page's""",
    re.DOTALL | re.VERBOSE,
)
_IDS: Final = re.compile(r'(?<=\sid=")|(?<=href="\#)|(?<=url\(\#)')
_COORDINATE: Final = re.compile(r"\d+\.\d{3,}(?![<\d])")  # and no number that is text
_COLOUR: Final = re.compile("|".join(_VARIABLES))


def _inline(svg: str, prefix: str) -> str:
    svg = _NOT_IN_A_PAGE.sub("", svg[svg.index("<svg") :])
    svg = _IDS.sub(prefix, svg)
    svg = _COORDINATE.sub(lambda number: f"{float(number[0]):.2f}", svg)
    svg = _COLOUR.sub(lambda colour: _VARIABLES[colour[0]], svg)
    return re.sub(r"\s+", " ", svg).replace("> <", "><").strip()
