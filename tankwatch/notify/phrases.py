"""What is said of each symptom: while it stands, once it is over, and when all is well again."""

from dataclasses import dataclass
from typing import Final

from tankwatch.core.incident import Symptom


@dataclass(frozen=True, slots=True)
class Phrases:
    """Parts of sentences whose subject is a tank's channel.

    Attributes:
        was: what it did, of an alarm that is over.
        is_now: what it does, of an alarm that stands.
        again: what it does again, in the all-clear.
        before: what had been, in the all-clear; a whole clause.
    """

    was: str
    is_now: str
    again: str
    before: str


BACK_TO_NORMAL: Final = {
    Symptom.ABOVE_EXPECTED: "back to expected",
    Symptom.BELOW_EXPECTED: "back to expected",
    Symptom.UNUSUAL_PATTERN: "back to its usual pattern",
    Symptom.UNUSUAL_STAY: "moving again",
    Symptom.DECOUPLED: "back with its other channels",
    Symptom.SPIKE: "without spikes again",
    Symptom.STEP: "back after its jump",
    Symptom.DRIFT_UP: "back after its drift",
    Symptom.DRIFT_DOWN: "back after its drift",
    Symptom.NOISE: "as quiet as usual again",
    Symptom.QUIET: "alive again",
    Symptom.OSCILLATION: "calm again",
    Symptom.CHATTERING: "no longer flipping",
    Symptom.ABOVE_LIMIT: "back within limits",
    Symptom.BELOW_LIMIT: "back within limits",
    Symptom.TO_HIGH_LIMIT: "no longer heads for its limit",
    Symptom.TO_LOW_LIMIT: "no longer heads for its limit",
    Symptom.OUT_OF_RANGE: "back within its range",
    Symptom.FLAT_LINE: "moves again",
    Symptom.STALE: "readings are back",
}

PHRASES: Final = {
    Symptom.UNUSUAL_PATTERN: Phrases(
        "moved in a way its model does not know",
        "has been moving in a way its model does not know",
        "has moved as its model expects",
        "its pattern was unusual",
    ),
    Symptom.UNUSUAL_STAY: Phrases(
        "was flagged for standing at a level that it usually only passes",
        "is flagged for standing at a level that it usually only passes",
        "has moved on",
        "it was flagged for standing at an unusual level",
    ),
    Symptom.DECOUPLED: Phrases(
        "did not go with the other channels as usual",
        "has not gone with the other channels as usual",
        "has gone with the other channels again",
        "it had parted from them",
    ),
    Symptom.SPIKE: Phrases(
        "showed single readings far off its course",
        "has shown single readings far off its course",
        "has shown no more spikes",
        "single readings were far off its course",
    ),
    Symptom.STEP: Phrases(
        "jumped to another level from one reading to the next",
        "has been at another level after a jump from one reading to the next",
        "has been flagged no more",
        "it had jumped to another level",
    ),
    Symptom.DRIFT_UP: Phrases(
        "moved above its usual course little by little and was flagged",
        "has moved above its usual course little by little and has been flagged",
        "has been back on its usual course",
        "it had drifted upwards and was flagged",
    ),
    Symptom.DRIFT_DOWN: Phrases(
        "moved below its usual course little by little and was flagged",
        "has moved below its usual course little by little and has been flagged",
        "has been back on its usual course",
        "it had drifted downwards and was flagged",
    ),
    Symptom.NOISE: Phrases(
        "was much noisier than usual",
        "has been much noisier than usual",
        "has been as quiet as usual",
        "it was much noisier than usual",
    ),
    Symptom.QUIET: Phrases(
        "had far less noise than a living sensor has",
        "has had far less noise than a living sensor has",
        "has had its usual noise again",
        "it had been too quiet",
    ),
    Symptom.OSCILLATION: Phrases(
        "swung to and fro",
        "has been swinging to and fro",
        "has been calm",
        "it had swung to and fro",
    ),
    Symptom.CHATTERING: Phrases(
        "flipped to and fro again and again",
        "has been flipping to and fro again and again",
        "has flipped no more",
        "it had flipped to and fro",
    ),
    Symptom.OUT_OF_RANGE: Phrases(
        "gave readings beyond the range of its instrument",
        "has given readings beyond the range of its instrument",
        "has been within the range of its instrument",
        "its readings were beyond that range",
    ),
}
