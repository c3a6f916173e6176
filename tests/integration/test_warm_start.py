"""A retraining starts from the weights of the model in use, if they mean the same."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tankwatch.detectors.autoencoder import LSTMAutoencoder
from tankwatch.detectors.catalogue import build_detector
from tankwatch.jobs.context import Context
from tankwatch.jobs.history import load_history
from tankwatch.jobs.train import initial_weights, train
from tankwatch.models.child import Progress, Run, WindowSet, train_autoencoders
from tankwatch.models.spec import AutoencoderSpec
from tankwatch.settings import Settings
from tankwatch.store.engine import connect, reading
from tankwatch.store.migrate import upgrade
from tankwatch.store.registry import load_artefact
from tests.integration.plant import at, make_context, make_settings, quiet_values, store

MODEL = {"window": 12, "units": (6,), "epochs": 4, "max_windows": 600}


def settings(home: Path, **model: Any) -> Settings:
    return make_settings(home, detect={"detector": "autoencoder"}, model={**MODEL, **model})


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    """A plant with a champion that has learned its first half day."""
    home = tmp_path_factory.mktemp("warm")
    engine = connect("sqlite:///warm.db", home=home)
    upgrade(engine)
    store(engine, quiet_values(2, 1440), slice(0, 1440))
    context = make_context(engine, settings(home))
    train(context, "autoencoder", now=at(720), until=at(720))
    return context


def first_epoch(context: Context, built: Settings) -> Progress:
    """Train on the whole day as the settings say, and return the first epoch."""
    seen: list[Progress] = []
    changed = make_context(context.engine, built)
    train(changed, "autoencoder", now=at(1440), on_progress=seen.append)
    return seen[0]


def test_the_first_epoch_of_a_retraining_is_better_than_from_scratch(context: Context) -> None:
    home = context.settings.home
    cold = make_settings(
        home, detect={"detector": "autoencoder"}, model=MODEL, train={"warm_start": False}
    )
    from_scratch = first_epoch(context, cold)
    warm = first_epoch(context, settings(home))
    assert warm.held_out_loss < 0.9 * from_scratch.held_out_loss


@pytest.mark.parametrize(
    ("model", "fits"),
    [({}, True), ({"epochs": 9}, True), ({"window": 10}, False), ({"units": (7,)}, False)],
)
def test_weights_of_another_shape_or_meaning_are_not_taken_over(
    context: Context, model: dict[str, Any], *, fits: bool
) -> None:
    changed = settings(context.settings.home, **model)
    built = build_detector("autoencoder", changed)
    channels = load_history(context, until=None).channels
    assert (initial_weights(context, built, channels) is not None) is fits
    assert initial_weights(context, built, channels[::-1]) is None


def test_an_archive_that_does_not_fit_the_network_is_ignored(context: Context) -> None:
    with reading(context.engine) as connection:
        stored = load_artefact(connection, 1).keras
    assert stored is not None
    rng = np.random.default_rng(0)
    windows = rng.normal(size=(64, 12, 3)).astype(np.float32)
    given = WindowSet(windows, np.ones(windows.shape, dtype=bool))
    spec = AutoencoderSpec(window=12, units=(6,), epochs=1, batch=32)
    plain, ignored = (
        train_autoencoders([(given, given)], spec=spec, run=Run(warm_start=weights))[0]
        for weights in (None, stored)
    )
    assert plain.onnx == ignored.onnx


def test_the_archive_is_no_parameter_of_the_estimator() -> None:
    assert "warm_start_" not in LSTMAutoencoder().get_params()
