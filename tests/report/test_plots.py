"""Pictures follow the page's colours, repeat byte for byte, and bear odd numbers."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np

from pipeline.report import plots
from pipeline.report.plots import Bar


def draw():
    """Return one picture of each kind."""
    runs = [{"best_epoch": 2, "history": [{"epoch": e, "valid_selection": 0.1 * e} for e in (1, 2, 3)]}]
    return {
        "bars": plots.plot_bars("bars", {"F1": [Bar("constant", 20, 10, 30, True), Bar("concat", None, None, None, False)]}, True),
        "confusion": plots.plot_confusions("confusion", {"concat": {"": [[3, 1], [0, 0]]}}, ("no", "yes"), 4),
        "labels": plots.plot_confusions("labels", {"concat": {"a": [[3, 1], [0, 2]], "b": [[1, 1], [1, 1]]}}, ("no", "yes"), 2),
        "curves": plots.plot_curves("curves", {"concat": runs}),
        "histograms": plots.plot_histograms("histograms", {"duration, s": np.array([1.0, 2.0, 2.5])}),
    }


def test_pictures_are_svg_with_the_pages_colours_and_nothing_of_time():
    for name, svg in draw().items():
        ElementTree.fromstring(svg)
        assert "var(--ink)" in svg
        assert not re.search(r"#0102|<metadata|dc:date|http-equiv", svg)
        assert all(i.startswith(f"{name}-") for i in re.findall(r'\bid="([^"]+)"', svg))


def test_the_same_numbers_give_the_same_bytes():
    assert draw() == draw()


def test_references_inside_a_picture_stay_inside_it():
    for svg in draw().values():
        ids = set(re.findall(r'\bid="([^"]+)"', svg))
        assert set(re.findall(r'(?:href="|url\()#([^")]+)', svg)) <= ids
