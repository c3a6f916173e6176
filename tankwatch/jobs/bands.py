"""What was expected of the steps of a round, as it is kept for charts."""

from datetime import datetime, timedelta

import numpy as np

from tankwatch.core.block import Block
from tankwatch.core.times import to_ms
from tankwatch.detectors.view import Judgement
from tankwatch.jobs.rounds import Round, steps_of
from tankwatch.scoring.scorer import Scorer
from tankwatch.store.bands import Bands, store_bands
from tankwatch.store.engine import Connection


def keep_bands(
    connection: Connection,
    scorer: Scorer,
    judgement: Judgement,
    block: Block,
    turn: Round,
    *,
    days: float,
    now: datetime,
) -> None:
    """Store what a version expected of the steps of a round, if they are to be kept at all."""
    oldest_ms = to_ms(now - timedelta(days=days))
    if judgement.expected is None or not days or turn.end_ms <= oldest_ms:
        return
    new = steps_of(block, turn)
    middle = judgement.expected[:, new].astype(np.float64)
    # What was not judged was held to nothing.
    middle[np.isnan(judgement.score[:, new])] = np.nan
    half = scorer.half_width(block)[:, None, :]
    edges = np.stack([middle - half, middle + half], axis=-1).astype(np.float32)
    stops = [steps_of(block, turn, tank).stop - new.start for tank in turn.tank_ids]
    first_ms = block.start_ms + new.start * block.step_ms
    store_bands(connection, Bands(turn.tank_ids, first_ms, block.step_ms, edges), stops)
