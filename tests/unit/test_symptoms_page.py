"""The page of symptoms names every one of them."""

from pathlib import Path

import pytest

from tankwatch.core.incident import Symptom

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "symptoms.md"


@pytest.mark.parametrize("symptom", list(Symptom))
def test_every_symptom_is_on_the_page(symptom: Symptom) -> None:
    assert f"`{symptom}`" in PAGE.read_text(encoding="utf-8")
