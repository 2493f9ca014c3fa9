"""Problems, studies and results in a notebook."""

from html.parser import HTMLParser

import numpy as np
import pytest

import gfcompare as gfc
from gfcompare.evaluators.html_repr import curve, table


class Read(HTMLParser):
    """Checks that every tag is closed, and collects the text and the tags."""

    def __init__(self, text):
        super().__init__()
        self.open, self.text, self.tags = [], "", []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data + " "


def test_problem():
    problem = gfc.Problem(
        gfc.ReLUNetwork((1, 16, 1)), gfc.targets.Polynomial([0.3, 4, -12, 8]), gfc.measures.Uniform(0.0, 1.0)
    )
    read = Read(problem._repr_html_())
    for part in ("1-16-1, 49 parameters", "polynomial", "uniform", "integrated exactly", "upper = 1.0"):
        assert part in read.text
    assert [tag for tag, _ in read.tags].count("polyline") == 1


@pytest.mark.parametrize(
    ("widths", "measure", "how"),
    [
        ((2, 4, 1), gfc.measures.Box(lower=0.0, upper=1.0, dimension=2), "integrated exactly"),
        ((2, 4, 3, 1), gfc.measures.Box(lower=0.0, upper=1.0, dimension=2), "preintegrated"),
        ((2, 4, 1), gfc.measures.Points([[0.0, 1.0], [1.0, 0.5], [0.2, 0.3]]), "sums over 3 points"),
    ],
)
def test_problem_of_several_inputs(widths, measure, how):
    problem = gfc.Problem(gfc.ReLUNetwork(widths), gfc.targets.Constant(1.0), measure)
    read = Read(problem._repr_html_())
    assert how in read.text
    assert "polyline" not in [tag for tag, _ in read.tags]


def test_study_with_names_that_look_like_markup():
    study = gfc.Study(
        "small",
        description="<b>bold</b> & 'quoted'",
        targets={"a": gfc.targets.Constant(0.5), "b": gfc.targets.Sine()},
        network=gfc.ReLUNetwork((1, 3, 1)),
        integrators={"gd": [gfc.integrator("gd", step_size=g) for g in (0.1, 0.01)]},
        seeds=20,
        times=gfc.Times(spacing="log", start=0.1, end=10.0, count=5),
    )
    read = Read(study._repr_html_())
    assert "<b>bold</b> & 'quoted'" in read.text
    assert "b" not in [tag for tag, _ in read.tags]
    for part in ("Study small", "20, from study seed 0", "gd[step 0.1]", "step_size = 0.01", "1-3-1"):
        assert part in read.text
    assert [tag for tag, _ in read.tags].count("svg") == 2
    assert " 8 " in read.text  # cells: 2 targets, 2 methods, 2 blocks of seeds


def test_result(tmp_path):
    study = gfc.Study(
        "small",
        targets={"a": gfc.targets.Constant(0.5)},
        network=gfc.ReLUNetwork((1, 3, 1)),
        integrators={"gd": gfc.integrator("gd", step_size=0.1)},
        seeds=2,
        times=gfc.Times(spacing="log", start=0.1, end=1.0, count=2),
    )
    text = study.run(tmp_path, jobs=1)._repr_html_()
    for part in ("population risk", "weight_1", "parameter^2 / risk"):
        assert part in text


def test_curve_fills_its_height_and_says_what_it_is():
    read = Read(curve(np.sin(np.linspace(0, 6, 50)), "a sine & more"))
    attributes = dict(read.tags)
    points = np.array([pair.split(",") for pair in attributes["polyline"]["points"].split()], dtype=float)
    assert points.shape == (50, 2)
    assert points[:, 1].min() == 2.0
    assert points[:, 1].max() == 22.0
    assert attributes["svg"]["aria-label"] == "a sine & more"
    flat = dict(Read(curve(np.ones(3), "flat")).tags)["polyline"]["points"]
    assert {pair.split(",")[1] for pair in flat.split()} == {"12.0"}


def test_table_without_and_with_head():
    assert [t for t, _ in Read(table("T", [("a", 1)])).tags].count("th") == 1
    assert [t for t, _ in Read(table("T", [("a", 1)], ("x", "y"))).tags].count("th") == 2
