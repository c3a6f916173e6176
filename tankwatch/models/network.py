"""The sequence autoencoder in Keras.  Imported by the training child only."""

import keras

from tankwatch.models.decoder import FeedbackDecoder
from tankwatch.models.spec import AutoencoderSpec


def build_autoencoder(spec: AutoencoderSpec, channels: int) -> keras.Model:
    """Return an uncompiled sequence autoencoder (Srivastava et al. 2015, reconstruction).

    Shapes, with ``w`` steps in a window and ``c`` channels::

        (n, w, c) -> encoder, many-to-many but for its last layer -> (n, units[-1])
                  -> RepeatVector(w) -> (n, w, units[-1])
                  -> decoder, mirrored, many-to-many -> (n, w, units[0])
                  -> head -> (n, w, c)

    With ``decoder="feedback"`` the mirrored decoder and the head run step by step on their own
    last output, from the code as their state::

                     (n, units[-1]) -> w times a step (n, c) -> (n, c) -> (n, w, c)
    """
    layer = keras.layers.LSTM if spec.cell == "lstm" else keras.layers.GRU
    inputs = keras.Input((spec.window, channels), name="windows")
    hidden = inputs
    for index, units in enumerate(spec.units):
        is_last = index == len(spec.units) - 1
        hidden = layer(units, return_sequences=not is_last, name=f"encoder_{index}")(hidden)
    mirrored = spec.units[::-1]
    if spec.decoder == "feedback":
        decoder = FeedbackDecoder(
            spec.window, channels, units=mirrored, cell=spec.cell, head=spec.head, name="feedback"
        )
        return keras.Model(inputs, decoder(hidden), name="sequence_autoencoder")
    hidden = keras.layers.RepeatVector(spec.window, name="repeat")(hidden)
    for index, units in enumerate(mirrored):
        hidden = layer(units, return_sequences=True, name=f"decoder_{index}")(hidden)
    if spec.head == "dense":
        outputs = keras.layers.Dense(channels, name="head")(hidden)
    else:
        outputs = layer(channels, return_sequences=True, name="head")(hidden)
    return keras.Model(inputs, outputs, name="sequence_autoencoder")


def masked_error(target: keras.KerasTensor, reconstruction: keras.KerasTensor) -> keras.KerasTensor:
    """Return the mean squared error over known values only.

    Args:
        target: (n, w, 2 c), the window and, behind it, its mask as 0 and 1.
        reconstruction: (n, w, c).
    """
    channels = reconstruction.shape[-1]
    known = target[..., channels:]
    squared = keras.ops.square(target[..., :channels] - reconstruction) * known
    return keras.ops.sum(squared) / keras.ops.maximum(keras.ops.sum(known), 1.0)
