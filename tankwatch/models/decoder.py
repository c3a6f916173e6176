"""One-to-many by feedback: each output is the next input.  Needs TensorFlow."""

import keras


class FeedbackDecoder(keras.layers.Layer):  # type: ignore[misc]
    """Turns a code into a sequence whose every output is the next input (Sutskever et al. 2014).

    Shape ``(n, units) -> (n, steps, channels)``.  The code is the first hidden state, the first
    input is zero, and hidden and cell state are carried from step to step.

    Args:
        steps: length of the sequence.
        channels: of each output.
        cell: ``lstm`` or ``gru``; it has as many cells as the code has numbers.
    """

    def __init__(self, steps: int, channels: int, *, cell: str = "lstm") -> None:
        super().__init__()
        self.steps, self.channels, self.cell = steps, channels, cell

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the step cell and the head, once the size of the code is known."""
        units = int(input_shape[-1] or 0)
        kind = keras.layers.LSTMCell if self.cell == "lstm" else keras.layers.GRUCell
        self.step_cell = kind(units)
        self.head = keras.layers.Dense(self.channels)
        self.step_cell.build((None, self.channels))
        self.head.build((None, units))

    def call(self, code: keras.KerasTensor) -> keras.KerasTensor:
        """Return the sequence of each code."""
        output = keras.ops.zeros_like(code[:, :1]) * keras.ops.ones((1, self.channels))
        state = [code, keras.ops.zeros_like(code)] if self.cell == "lstm" else [code]
        outputs = []
        for _ in range(self.steps):
            hidden, state = self.step_cell(output, state)
            output = self.head(hidden)
            outputs.append(output)
        return keras.ops.stack(outputs, axis=1)
