"""The style sheet and templates, held to WCAG 2.2 AA contrast and to having nothing inline."""

import re
from pathlib import Path

import pytest

import tankwatch

WEB = Path(tankwatch.__file__).parent / "web"
# Each names its colours first, for light and then for dark.
SHEETS = sorted((WEB / "static").glob("*.css"))
CSS = "".join(file.read_text(encoding="utf-8") for file in SHEETS)
_COLOURS = re.compile(r":root \{(.*?)\}", re.DOTALL)
GROUNDS = ("ground", "raised", "fair", "poor", "bad")
LEAST = 4.5


def schemes() -> dict[str, dict[str, str]]:
    """Return the colours of each scheme by name; what dark does not change is as in light."""
    blocks = _COLOURS.findall(CSS)
    assert len(blocks) == 2 * len(SHEETS)
    light, dark = (
        dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6});", "".join(blocks[first::2])))
        for first in (0, 1)
    )
    return {"light": light, "dark": light | dark}


def luminance(colour: str) -> float:
    """Return the relative luminance of `#rrggbb`, as WCAG 2.2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_on_what_lies_under_it(scheme: str) -> None:
    colours = schemes()[scheme]
    pairs = [("text", ground) for ground in GROUNDS]
    pairs += [(text, ground) for text in ("link", "warn") for ground in ("ground", "raised")]
    pairs += [("faint", "ground"), ("faint", "raised"), ("ground", "link"), ("ground", "warn")]
    faint = {
        pair: round(found, 2)
        for pair in pairs
        if (found := contrast(*(colours[name] for name in pair))) < LEAST
    }
    assert faint == {}


def test_both_schemes_name_every_colour_and_rules_name_no_other() -> None:
    light, dark = schemes().values()
    assert set(light) == set(dark)
    used = set(re.findall(r"var\(--([a-z]+)\)", CSS))
    assert used == set(light)
    assert re.findall(r"#[0-9a-f]{3,8}\b", _COLOURS.sub("", CSS)) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_curves_and_limits_stand_out_from_what_lies_under_them(scheme: str) -> None:
    colours = schemes()[scheme]
    pairs = [(line, ground) for line in ("curve", "warn") for ground in ("ground", "flagged")]
    pairs += [("curve", "band")]
    pairs += [("edge", "ground"), ("curve", "expected")]
    assert {pair for pair in pairs if contrast(*(colours[name] for name in pair)) < 3.0} == set()


FORBIDDEN = (
    r"<script(?! src=\"/static/[^\"]+\" defer></script>)",
    r"<style|\sstyle=|\son[a-z]+=|\shx-on|\| *safe|autoescape",
)


def test_templates_have_nothing_that_the_policy_forbids() -> None:
    templates = list((WEB / "templates").glob("*.j2"))
    assert len(templates) >= 4
    for file in templates:
        html = file.read_text(encoding="utf-8")
        assert not re.search("|".join(FORBIDDEN), html), file
