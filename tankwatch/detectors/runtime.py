"""Scoring with ONNX Runtime: the exported graph, without TensorFlow."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import onnxruntime
from numpy.typing import NDArray

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


network: Callable[[bytes], OnnxNetwork] = lru_cache(maxsize=8)(OnnxNetwork)
