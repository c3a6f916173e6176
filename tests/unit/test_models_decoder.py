"""One-to-many by feedback, beside the same steps taken by hand, and autoencoders that learn."""

from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from tankwatch.models.decoder import FeedbackDecoder
from tankwatch.models.network import build_autoencoder
from tankwatch.models.spec import AutoencoderSpec

Floats = NDArray[np.float32]
CELLS, HEADS = ("lstm", "gru"), ("dense", "lstm")


def draws(*shape: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def decoder(cell: str, head: str) -> FeedbackDecoder:
    """Return a decoder of two layers, with biases that are not 0."""
    keras.utils.set_random_seed(3)
    made = FeedbackDecoder(6, 2, units=(4, 5), cell=cell, head=head)
    made(draws(1, 4))
    made.set_weights([w + draws(*w.shape, seed=9) * np.float32(0.3) for w in made.get_weights()])
    return made


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("cell", CELLS)
def test_feedback_gives_each_output_to_the_next_step(cell: str, head: str) -> None:
    made, code = decoder(cell, head), draws(3, 4)
    found = np.asarray(made(code))
    assert found.shape == (3, 6, 2)
    weights: list[Any] = [np.asarray(weight) for weight in made.get_weights()]
    layers = [weights[start : start + 3] for start in range(0, 9 if head == "lstm" else 6, 3)]
    state = [[np.zeros((3, len(layer[1])), np.float32)] * 2 for layer in layers]
    state[0] = [code, np.zeros_like(code)]
    output: Any = np.zeros((3, 2), np.float32)
    for step in range(6):
        for index, layer in enumerate(layers):
            state[index] = _by_hand(layer, output, state[index], is_lstm=cell == "lstm")
            output = state[index][0]
        if head == "dense":
            output = output @ weights[-2] + weights[-1]
        np.testing.assert_allclose(found[:, step], output, atol=1e-5)


def _by_hand(
    weights: list[Floats], inputs: Floats, state: list[Floats], *, is_lstm: bool
) -> list[Floats]:
    """Return hidden and cell state after a step; a GRU has no cell state."""

    def sigmoid(values: Floats) -> Floats:
        return np.asarray(1.0 / (1.0 + np.exp(-values)))

    kernel, recurrent, bias = weights
    hidden, carried = state
    if is_lstm:
        gates = np.split(inputs @ kernel + hidden @ recurrent + bias, 4, axis=1)
        carried = sigmoid(gates[1]) * carried + sigmoid(gates[0]) * np.tanh(gates[2])
        return [sigmoid(gates[3]) * np.tanh(carried), carried]
    ours = np.split(inputs @ kernel + bias[0], 3, axis=1)
    theirs = np.split(hidden @ recurrent + bias[1], 3, axis=1)
    update, reset = sigmoid(ours[0] + theirs[0]), sigmoid(ours[1] + theirs[1])
    new = np.tanh(ours[2] + reset * theirs[2])
    return [update * hidden + (1.0 - update) * new, carried]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("cell", CELLS)
def test_a_carried_state_continues_a_sequence_in_any_batch_and_order(cell: str, head: str) -> None:
    made, code = decoder(cell, head), draws(3, 4)
    whole, end = made.proceed(made.begin(code), 6)
    first, state = made.proceed(made.begin(code), 2)
    order = [2, 0]
    then, after = made.proceed([np.asarray(part)[order] for part in state], 4)
    np.testing.assert_allclose(
        np.concatenate([np.asarray(first)[order], then], axis=1),
        np.asarray(whole)[order],
        atol=1e-6,
    )
    for one, other in zip(after, end, strict=True):
        np.testing.assert_allclose(one, np.asarray(other)[order], atol=1e-6)


def test_a_code_that_is_no_state_of_the_first_layer_is_refused() -> None:
    with pytest.raises(ValueError, match="a code of 4 numbers is no state of a first layer of 5"):
        FeedbackDecoder(6, 2, units=(5,))(draws(3, 4))


@pytest.mark.parametrize(
    ("cell", "decode", "head"),
    [
        ("lstm", "repeat", "lstm"),
        ("lstm", "feedback", "dense"),
        ("gru", "repeat", "dense"),
        ("gru", "feedback", "lstm"),
    ],
)
def test_an_autoencoder_of_each_kind_learns_waves(cell: str, decode: str, head: str) -> None:
    keras.utils.set_random_seed(4)
    phase = np.random.default_rng(5).uniform(0, 6.28, (96, 1))
    waves = 0.5 * np.sin(np.arange(6) / 1.5 + phase)[..., None].astype(np.float32)
    spec = AutoencoderSpec(window=6, units=(10,), cell=cell, decoder=decode, head=head)
    model = build_autoencoder(spec, 1)
    model.compile(optimizer=keras.optimizers.Adam(0.03), loss="mse")
    model.fit(waves, waves, epochs=40, batch_size=32, verbose=0)
    error = float(np.square(model.predict(waves, verbose=0) - waves).mean())
    assert error < 0.15 * float(waves.var())
