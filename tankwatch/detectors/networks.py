"""Which network serves which tank: one for the fleet, one for each group, or one for each tank."""

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tankwatch.detectors.runtime import OnnxForecaster, OnnxNetwork
from tankwatch.detectors.view import Floats
from tankwatch.errors import ModelError
from tankwatch.models.child import TrainedNetwork

FLEET, GROUP, TANK = "fleet", "group", "tank"
TRAINING_FACTS = ("epochs_run", "versions", "export_difference")
_ZIP = b"PK\x03\x04"  # no ONNX graph begins so


def number_networks(per: str, groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of each tank's network, int64 (tanks,), from 0 without a gap.

    Args:
        per: ``fleet``, ``group`` or ``tank``.
        groups: int64 (tanks,), group of each tank.

    Raises:
        ModelError: `per` is none of the three.
    """
    if per == FLEET:
        return np.zeros(len(groups), np.int64)
    if per == GROUP:
        return np.unique(groups, return_inverse=True)[1].astype(np.int64)
    if per == TANK:
        return np.arange(len(groups), dtype=np.int64)
    message = f"there is no network per {per!r}: choose one of {FLEET}, {GROUP}, {TANK}"
    raise ModelError(message)


def pack(parts: Sequence[bytes]) -> bytes:
    """Return networks as one artefact: a single one as it is, several as a zip archive in order.

    Equal networks give equal artefacts.
    """
    if len(parts) == 1:
        return parts[0]
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for number, part in enumerate(parts):
            archive.writestr(zipfile.ZipInfo(str(number)), part)
    return packed.getvalue()


def unpack(artefact: bytes) -> list[bytes]:
    """Return the graphs that `pack` was given."""
    if not artefact.startswith(_ZIP):
        return [artefact]
    with zipfile.ZipFile(BytesIO(artefact)) as archive:
        return [archive.read(str(number)) for number in range(len(archive.namelist()))]


def training_facts(trained: Sequence[TrainedNetwork]) -> dict[str, Any]:
    """Return what a manifest tells of the training of all networks together, `TRAINING_FACTS`."""
    return {
        "epochs_run": sum(len(one.history) for one in trained),
        "versions": trained[0].versions,
        "export_difference": max(one.export_difference for one in trained),
    }


@dataclass(frozen=True, slots=True)
class ServedForecasters:
    """The forecasters of some tanks as one: each row runs through the network of its tank.

    Attributes:
        networks: all there are, alike but for their weights.
        numbers: int64 (rows,), network of each row.
    """

    networks: tuple[OnnxForecaster, ...]
    numbers: NDArray[np.int64]

    @property
    def state_size(self) -> int:
        """Return the numbers in the state of a row."""
        return self.networks[0].state_size

    def run(self, series: Floats, state: Floats) -> tuple[Floats, Floats, Floats]:
        """Return mean, scale and new state of each row, as `OnnxForecaster.run` does."""
        if len(self.networks) == 1:
            return self.networks[0].run(series, state)
        shape = (*series.shape[:2], self.networks[0].channels)
        mean, scale, after = np.empty(shape, np.float32), np.empty(shape, np.float32), state.copy()
        for number in np.unique(self.numbers):
            rows = np.flatnonzero(self.numbers == number)
            mean[rows], scale[rows], after[rows] = self.networks[number].run(
                series[rows], state[rows]
            )
        return mean, scale, after


def _networks(artefact: bytes) -> tuple[OnnxNetwork, ...]:
    return tuple(OnnxNetwork(graph) for graph in unpack(artefact))


def _forecasters(artefact: bytes) -> tuple[OnnxForecaster, ...]:
    return tuple(OnnxForecaster(graph) for graph in unpack(artefact))


networks: Callable[[bytes], tuple[OnnxNetwork, ...]] = lru_cache(maxsize=8)(_networks)
forecasters: Callable[[bytes], tuple[OnnxForecaster, ...]] = lru_cache(maxsize=8)(_forecasters)
