"""A seeded tank farm with faults, for sample data, demos and tests."""

from tankwatch.simulate.export import labels_frame, to_frame, write_farm
from tankwatch.simulate.farm import Farm, Truth, simulate_farm
from tankwatch.simulate.faults import Fault, FaultChannel, FaultKind
from tankwatch.simulate.spec import FarmSpec

__all__ = [
    "Farm",
    "FarmSpec",
    "Fault",
    "FaultChannel",
    "FaultKind",
    "Truth",
    "labels_frame",
    "simulate_farm",
    "to_frame",
    "write_farm",
]
