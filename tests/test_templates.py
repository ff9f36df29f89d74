"""Templates of file names: what they match, in all ways to read a name."""

import pytest

from irsde_jax.data.sources.templates import Template


def readings(template, name):
    return [dict(reading) for reading in Template(template).readings(name)]


@pytest.mark.parametrize(
    ("template", "name", "expected"),
    [
        ("norain-{id}", "norain-7", [{"id": "7"}]),
        ("norain-{id}", "rain-7", []),
        ("rain-{id}", "norain-7", []),
        ("NoRain-{id}", "norain-aB", [{"id": "aB"}]),  # the text keeps its case
        ("{id}x4", "0001x4", [{"id": "0001"}]),
        ("{id}x4", "x4", []),  # a placeholder stands for some text
        ("{id}x{n:int}", "axbx3", [{"id": "axb", "n": "3"}]),
        (
            "{id}_{level}",
            "1_1_0.9",
            [{"id": "1", "level": "1_0.9"}, {"id": "1_1", "level": "0.9"}],
        ),
        ("{id}", "a/b", []),
        ("{folder:path}/{id}", "a/b/c", [{"folder": "a/b", "id": "c"}]),
        ("{s}/GT_{n}_{s}", "x/GT_1_x", [{"s": "x", "n": "1"}]),
        ("{s}/GT_{n}_{s}", "x/GT_1_y", []),  # one placeholder, one text
        ("a.b-{id}", "aXb-1", []),  # a point is a point
        ("plain", "plain", [{}]),
    ],
)
def test_all_readings_are_given(template, name, expected):
    assert readings(template, name) == expected


def test_placeholders_are_in_order_and_named_once():
    assert Template("{b}/{a}_{b}").placeholders == ("b", "a")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{id", "a brace that is open"),
        ("id}", "a brace that is open"),
        ("{}", r"placeholder \{\}.*Write a name"),
        ("{id:float}", r"placeholder \{id:float\}.*\{id:int\} for digits"),
        ("{1d}", r"placeholder \{1d\}"),
        ("{a}{b}", "nothing between two placeholders"),
    ],
)
def test_what_is_no_template_is_refused(template, message):
    with pytest.raises(ValueError, match=message):
        Template(template)
