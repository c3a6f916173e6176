"""Scoring with ONNX Runtime: the exported graph, without TensorFlow."""

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from tankwatch.detectors.view import Floats

# Larger batches fall out of the processor's cache: 8192 windows a call halve the throughput.
BATCH = 1024


class OnnxNetwork:
    """A sequence autoencoder's exported graph.

    Args:
        graph: the ONNX file's content.
        threads: threads of one call; 0 lets the runtime choose.
    """

    def __init__(self, graph: bytes, *, threads: int = 0) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            graph, sess_options=options, providers=["CPUExecutionProvider"]
        )

    def reconstruct(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the reconstruction of scaled windows, float32 (n, window, channels)."""
        feed = np.ascontiguousarray(windows, dtype=np.float32)
        output = np.empty_like(feed)
        # Not one call: none at all for no windows, on which ONNX Runtime would abort the process.
        for begin in range(0, len(feed), BATCH):
            part = slice(begin, begin + BATCH)
            output[part] = self._session.run(None, {"windows": feed[part]})[0]
        return output


class OnnxForecaster:
    """A stateful forecaster's exported graph.

    Args:
        graph: the ONNX file's content.
    """

    def __init__(self, graph: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            graph, sess_options=options, providers=["CPUExecutionProvider"]
        )
        self.state_size = int(self._session.get_inputs()[1].shape[1])
        self.channels = int(self._session.get_outputs()[0].shape[2])

    def run(self, series: Floats, state: Floats) -> tuple[Floats, Floats, Floats]:
        """Return mean and scale of what follows each step, and the state after the last one.

        A step at a time gives what all at once gives, in any batch and any order of rows.

        Args:
            series: float32 (n, t, features).
            state: float32 (n, state_size), zeros for series that begin.

        Returns:
            float32 (n, t, channels) twice, and (n, state_size).
        """
        rows, steps = series.shape[:2]
        if not rows or not steps:
            nothing = np.empty((rows, steps, self.channels), np.float32)
            return nothing, nothing, state
        feed = {"series": np.ascontiguousarray(series, dtype=np.float32), "state": state}
        mean, scale, new_state = self._session.run(None, feed)
        return mean, scale, new_state
