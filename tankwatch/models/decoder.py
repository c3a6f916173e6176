"""One-to-many by feedback: each output is the next input.  Needs TensorFlow."""

from collections.abc import Sequence
from typing import Any

import keras

Tensors = Sequence[keras.KerasTensor]


@keras.saving.register_keras_serializable(package="tankwatch")
class FeedbackCell(keras.layers.Layer):  # type: ignore[misc]
    """One step of a decoder whose output is its next input; a Keras RNN cell.

    The state is the last output (n, channels), then hidden and, for an LSTM, cell state (n, units)
    of each layer.  What an RNN feeds in from outside is ignored.

    Args:
        channels: of each output.
        units: cells of each layer.
        cell: ``lstm`` or ``gru``.
        head: what makes an output of the last layer's, ``dense`` or a cell of ``channels`` units
            (``lstm``), whose outputs lie between -1 and 1.
    """

    def __init__(
        self, channels: int, units: Sequence[int], *, cell: str, head: str, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.channels, self.units, self.cell, self.head = channels, tuple(units), cell, head
        kind = keras.layers.LSTMCell if cell == "lstm" else keras.layers.GRUCell
        self.parts = 2 if cell == "lstm" else 1
        sizes = [*self.units, channels] if head == "lstm" else [*self.units]
        self.layers = [kind(size, name=f"step_{index}") for index, size in enumerate(sizes)]
        self.dense = keras.layers.Dense(channels, name="step_head") if head == "dense" else None
        self.state_size = [channels, *(size for size in sizes for _ in range(self.parts))]
        self.output_size = channels

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights: every input of the first layer is an output of the head."""
        del input_shape
        size = self.channels
        for layer in self.layers:
            layer.build((None, size))
            size = layer.units
        if self.dense is not None:
            self.dense.build((None, size))

    def call(self, inputs: keras.KerasTensor, states: Tensors) -> tuple[Any, list[Any]]:
        """Return the next output (n, channels), and the state after it."""
        del inputs
        output, *before = states
        after: list[Any] = []
        for index, layer in enumerate(self.layers):
            own = before[index * self.parts : (index + 1) * self.parts]
            output, new = layer(output, own)
            after += [new] if keras.ops.is_tensor(new) else new
        if self.dense is not None:
            output = self.dense(output)
        return output, [output, *after]

    def get_config(self) -> dict[str, Any]:
        """Return what an archive keeps of the cell."""
        own = {"channels": self.channels, "units": self.units, "cell": self.cell, "head": self.head}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="tankwatch")
class FeedbackDecoder(keras.layers.Layer):  # type: ignore[misc]
    """Turns a code into a sequence whose every output is the next input (Sutskever et al. 2014).

    Shape ``(n, units) -> (n, steps, channels)``.  The code is the first hidden state of the first
    layer, the first input and every other state are zero, and all of them are carried from step to
    step.

    Args:
        steps: length of the sequence.
        channels: of each output.
        units: cells of each layer, of the first one as many as the code has numbers; default: one
            layer.
        cell: ``lstm`` or ``gru``.
        head: last layer, ``dense`` or a recurrent cell of ``channels`` units (``lstm``).
    """

    def __init__(
        self,
        steps: int,
        channels: int,
        *,
        units: Sequence[int] | None = None,
        cell: str = "lstm",
        head: str = "dense",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.steps, self.channels, self.cell, self.head = steps, channels, cell, head
        self.units = None if units is None else tuple(units)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the step cell, once the size of the code is known.

        Raises:
            ValueError: the first layer has another size than the code.
        """
        size = int(input_shape[-1] or 0)
        units = self.units or (size,)
        if units[0] != size:
            message = f"a code of {size} numbers is no state of a first layer of {units[0]} cells"
            raise ValueError(message)
        self.step = FeedbackCell(self.channels, units, cell=self.cell, head=self.head)
        self.loop = keras.layers.RNN(self.step, return_sequences=True, return_state=True)
        self.loop.build((None, self.steps, 1))

    def call(self, code: keras.KerasTensor) -> keras.KerasTensor:
        """Return the sequence of each code, (n, steps, channels)."""
        return self.proceed(self.begin(code), self.steps)[0]

    def begin(self, code: keras.KerasTensor) -> list[Any]:
        """Return the state before the first step."""
        one = keras.ops.zeros_like(code[:, :1])
        blank = [keras.ops.tile(one, (1, size)) for size in self.step.state_size]
        return [blank[0], code, *blank[2:]]

    def proceed(self, state: Tensors, steps: int) -> tuple[Any, list[Any]]:
        """Return the next `steps` outputs (n, steps, channels), and the state after them."""
        clock = keras.ops.tile(keras.ops.zeros_like(state[0][:, None, :1]), (1, steps, 1))
        outputs, *after = self.loop(clock, initial_state=list(state))
        return outputs, after

    def get_config(self) -> dict[str, Any]:
        """Return what an archive keeps of the decoder."""
        own = {"steps": self.steps, "channels": self.channels, "units": self.units}
        return {**super().get_config(), **own, "cell": self.cell, "head": self.head}
