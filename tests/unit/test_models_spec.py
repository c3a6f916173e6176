import json
from typing import Any

import pytest

from tankwatch.errors import ModelError
from tankwatch.models.spec import AutoencoderSpec


def test_a_spec_survives_json() -> None:
    spec = AutoencoderSpec(
        window=30, units=(8, 4), cell="gru", decoder="feedback", head="lstm", seed=7
    )
    assert AutoencoderSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("window", 1),
        ("window", "60"),
        ("window", 60.0),
        ("units", ()),
        ("units", (8, 0)),
        ("units", 8),
        ("units", (8, "4")),
        ("cell", "rnn"),
        ("head", "linear"),
        ("decoder", "attention"),
        ("trim", 0.6),
        ("trim", -0.1),
        ("trim", "some"),
        ("epochs", 0),
        ("epochs", True),
        ("batch", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("learning_rate", float("inf")),
        ("learning_rate", "fast"),
        ("patience", 0),
        ("seed", -1),
        ("seed", 2**32),
        ("seed", None),
    ],
)
def test_a_value_out_of_range_or_of_the_wrong_type_is_named(name: str, value: Any) -> None:
    stored = AutoencoderSpec().to_json() | {name: value}
    with pytest.raises(ModelError, match=rf"no autoencoder can be built with {name} = "):
        AutoencoderSpec.from_json(stored)


def test_every_wrong_value_is_named_at_once() -> None:
    with pytest.raises(ModelError, match=r"window = 0, cell = 'rnn'"):
        AutoencoderSpec(window=0, cell="rnn")


@pytest.mark.parametrize("change", ["missing", "unknown"])
def test_missing_and_unknown_keys_are_refused(change: str) -> None:
    stored = AutoencoderSpec().to_json()
    if change == "missing":
        del stored["cell"]
    else:
        stored["colour"] = "red"
    with pytest.raises(ModelError, match="a spec has the keys"):
        AutoencoderSpec.from_json(stored)
