"""Tennessee Eastman: learned on one normal run, judged on another and on eight with a fault."""

from pathlib import Path

import numpy as np
import pandas as pd
from detection_files import Contest
from detection_peers import PEERS, PyodPeer
from detection_tables import POINT_HEADS, point_cells, print_table, record_beside
from numpy.typing import NDArray

from tankwatch.detectors.base import Detector
from tankwatch.detectors.catalogue import build_detector
from tankwatch.evaluate.comparison import share_text
from tankwatch.evaluate.points import PointFigures, point_figures
from tankwatch.settings import Settings

PRESSURES = ("xmeas07", "xmeas13", "xmeas16")
TEMPERATURES = ("xmeas09", "xmeas11", "xmeas18", "xmeas21", "xmeas22")
FAULTS = (1, 2, 5, 8, 10, 13, 16, 19)
FAULT_FROM, STEP_S = 160, 180
_SEED = 0


def tep(contest: Contest, data: Path) -> None:
    """Print what each detector makes of the runs, as one tank of eight channels."""
    folder = data / "tep"
    train, normal = (load(folder / f"{name}.csv.gz") for name in ("d00", "d00_te"))
    faulty = [load(folder / f"d{fault:02d}_te.csv.gz") for fault in FAULTS]
    truths = [np.arange(len(run)) >= FAULT_FROM for run in faulty]
    rows: dict[str, tuple[PointFigures, float]] = {}
    for name, detector in _contenders(contest).items():
        print(f"learning {name}", flush=True)
        detector.fit(train[None])
        scores = [detector.score_samples(run[None])[0] for run in faulty]
        quiet = detector.score_samples(normal[None])[0]
        rows[name] = (point_figures(truths, scores), _flagged(quiet))
    rows |= _references(truths)
    cells = [[name, *point_cells(points), share_text(far)] for name, (points, far) in rows.items()]
    title = f"Tennessee Eastman, 8 channels, {len(FAULTS)} faulty runs pooled"
    print_table(title, ("detector", *POINT_HEADS, "flagged of the normal run"), cells)
    figures = {
        name: {"AUC": points.auc, "average precision": points.average_precision}
        for name, (points, _) in rows.items()
    }
    record_beside("TEP", figures, ours=contest.detector)


def load(path: Path) -> NDArray[np.float64]:
    """Return float64 (rows, 8), three pressures and five temperatures."""
    frame = pd.read_csv(path)
    columns = [
        next(name for name in frame if str(name).startswith(wanted))
        for wanted in (*PRESSURES, *TEMPERATURES)
    ]
    return frame[columns].to_numpy(dtype=float)


def _contenders(contest: Contest) -> dict[str, Detector]:
    grid = contest.settings.grid.model_copy(update={"step_s": STEP_S})
    settings: Settings = contest.settings.model_copy(update={"grid": grid})
    ours = {name: build_detector(name, settings) for name in contest.names}
    if not PEERS:
        print("pyod not installed, left out")
    peers = {name: PyodPeer(kind, settings, step_s=STEP_S) for name, kind in PEERS.items()}
    return ours | peers


def _references(truths: list[NDArray[np.bool_]]) -> dict[str, tuple[PointFigures, float]]:
    """Return what flagging all, and every other row by lot, would reach."""
    lot = np.random.default_rng(_SEED)
    always = [np.full(truth.size, 2.0, dtype=np.float32) for truth in truths]
    drawn = [2 * lot.random(truth.size).astype(np.float32) for truth in truths]
    return {
        "always alarm": (point_figures(truths, always), 1.0),
        "random": (point_figures(truths, drawn), 0.5),
    }


def _flagged(score: NDArray[np.float32]) -> float:
    known = score[~np.isnan(score)]
    return float((known >= 1.0).mean())
