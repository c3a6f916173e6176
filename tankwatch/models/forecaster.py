"""The stateful forecaster: network, training and export.  Imported by the training child only.

One recurrent network gives mean and scale of the next values; a Student-t likelihood lets it call
a transient rough without being led by single wild values (Lange, Little and Taylor 1989).  It is
trained by truncated back-propagation through time: chunk k + 1 of a row begins with the state that
chunk k of the same row ended with (Williams and Peng 1990).
"""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tankwatch.errors import TrainingError
from tankwatch.models.forecaster_spec import ForecasterSpec, SeriesSet
from tankwatch.models.training import take_over

SMALLEST_SCALE = 0.05
Report = Callable[[dict[str, float]], None]
Step = Callable[..., tuple[Any, Any]]


def build_forecaster(spec: ForecasterSpec, features: int, channels: int) -> keras.Model:
    """Return an uncompiled forecaster with its state as inputs and outputs.

    Shapes, with ``s`` state tensors (n, units), two for each LSTM layer and one for a GRU layer::

        [(n, t, features), s x (n, units)] -> many-to-many layers
            -> mean (n, t, channels), scale (n, t, channels), s x (n, units)
    """
    layer = keras.layers.LSTM if spec.cell == "lstm" else keras.layers.GRU
    series = keras.Input((None, features), name="series")
    states, ends, hidden = [], [], series
    for index, units in enumerate(spec.units):
        count = 2 if spec.cell == "lstm" else 1
        begin = [keras.Input((units,), name=f"state_{index}_{part}") for part in range(count)]
        built = layer(units, return_sequences=True, return_state=True, name=f"layer_{index}")
        hidden, *end = built(hidden, initial_state=begin if count == 2 else begin[0])
        states += begin
        ends += end
    mean = keras.layers.Dense(channels, name="mean")(hidden)
    raw = keras.layers.Dense(channels, name="raw_scale")(hidden)
    scale = keras.ops.softplus(raw) + SMALLEST_SCALE
    return keras.Model([series, *states], [mean, scale, *ends], name="stateful_forecaster")


def student_t_loss(
    targets: tf.Tensor, mask: tf.Tensor, mean: tf.Tensor, scale: tf.Tensor, dof: float
) -> tf.Tensor:
    """Return the mean negative log likelihood of what counts, less its constant."""
    z = (targets - mean) / scale
    each = tf.math.log(scale) + (dof + 1.0) / 2.0 * tf.math.log1p(z * z / dof)
    return tf.reduce_sum(each * mask) / tf.maximum(tf.reduce_sum(mask), 1.0)


def fit_forecaster(
    spec: ForecasterSpec,
    train: SeriesSet,
    held_out: SeriesSet,
    report: Report,
    *,
    initial: Path | None = None,
) -> keras.Model:
    """Return the network at the epoch with the lowest loss on held-out series.

    Training starts from the weights of the `.keras` archive `initial` if they fit the network.

    Raises:
        TrainingError: the loss is not a number any more.
    """
    keras.utils.set_random_seed(spec.seed)
    model = build_forecaster(spec, train.inputs.shape[-1], train.targets.shape[-1])
    if initial is not None:
        take_over(model, initial)
    optimizer = keras.optimizers.Adam(spec.learning_rate, clipnorm=1.0)
    step, look = _steps(model, optimizer, spec)
    began_s, best, best_weights, waited = time.monotonic(), math.inf, model.get_weights(), 0
    for epoch in range(spec.epochs):
        share = 0.5 * (1.0 + math.cos(math.pi * epoch / spec.epochs))
        optimizer.learning_rate.assign(spec.learning_rate * share + 1e-5)
        loss = _pass(step, train, spec)
        later = _pass(look, held_out, spec)
        if not (math.isfinite(loss) and math.isfinite(later)):
            message = (
                "training diverged (the loss is not a number): lower model.learning_rate, or look "
                "at the history for values out of all proportion"
            )
            raise TrainingError(message)
        waited += 1
        if later < best:
            best, best_weights, waited = later, model.get_weights(), 0
        spent_s = time.monotonic() - began_s
        report(
            {
                "epoch": epoch + 1,
                "epochs": spec.epochs,
                "loss": loss,
                "held_out_loss": later,
                "seconds": spent_s,
                "seconds_left": spent_s / (epoch + 1) * (spec.epochs - epoch - 1),
            }
        )
        if waited >= spec.patience:
            break
    model.set_weights(best_weights)
    return model


def zero_state(spec: ForecasterSpec, rows: int) -> list[tf.Tensor]:
    """Return the state of `rows` series that begin."""
    count = 2 if spec.cell == "lstm" else 1
    return [tf.zeros((rows, units)) for units in spec.units for _ in range(count)]


def _steps(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, spec: ForecasterSpec
) -> tuple[Step, Step]:
    """Return compiled functions of a chunk: one that learns from it, one that looks only."""

    def look(
        inputs: tf.Tensor, targets: tf.Tensor, mask: tf.Tensor, state: list[tf.Tensor]
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        mean, scale, *state = model([inputs, *state])
        return student_t_loss(targets, mask, mean, scale, spec.dof), state

    def learn(
        inputs: tf.Tensor, targets: tf.Tensor, mask: tf.Tensor, state: list[tf.Tensor]
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            loss, state = look(inputs, targets, mask, state)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss, state

    return tf.function(learn, reduce_retracing=True), tf.function(look, reduce_retracing=True)


def _pass(step: Step, series: SeriesSet, spec: ForecasterSpec) -> float:
    """Go once through the series in order of time, and return the mean loss of what counts."""
    state = zero_state(spec, len(series.inputs))
    total, counted = 0.0, 0
    for chunk in series.chunks(spec.chunk):
        mask = chunk.mask.astype(np.float32)
        goes_on = tf.constant(~chunk.fresh[:, None], tf.float32)
        loss, state = step(
            tf.constant(chunk.inputs),
            tf.constant(chunk.targets),
            tf.constant(mask),
            [part * goes_on for part in state],
        )
        total += float(loss) * float(mask.sum())
        counted += int(mask.sum())
    return total / max(counted, 1)


def run_in_keras(
    model: keras.Model, spec: ForecasterSpec, inputs: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return mean, scale and packed end state of series that begin, as the exported graph does."""
    mean, scale, *state = model([tf.constant(inputs), *zero_state(spec, len(inputs))])
    packed = np.concatenate([np.asarray(part) for part in state], axis=1)
    return np.asarray(mean), np.asarray(scale), packed
