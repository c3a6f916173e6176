"""The states of a tank as pages show them: a word and a shape, and only then a colour."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class State:
    """A state in words, with the shape that stands for it and what the style sheet calls it."""

    word: str
    shape: str
    kind: str


# From the worst to the best, which is the order of the fleet's page.
STATES = {
    "alarm": State("alarm", "▲", "alarm"),
    "stale": State("no readings", "◌", "stale"),
    "acknowledged": State("acknowledged", "△", "acknowledged"),
    "shelved": State("shelved", "▽", "quiet"),
    "suppressed": State("suppressed", "▽", "quiet"),
    "out_of_service": State("out of service", "✕", "quiet"),
    "learning": State("learning", "…", "learning"),
    "normal": State("normal", "●", "normal"),
}
ORDER = {name: place for place, name in enumerate(STATES)}


def state_of(name: str, severity: str | None = None) -> State:
    """Return how the state `name` of `dash_tank_status` is shown."""
    known = STATES.get(name) or State(name.replace("_", " "), "◆", "quiet")
    if name == "alarm" and severity in {"alert", "journal"}:
        return State(severity, "◆", "alert")
    return known


def badness(name: str) -> int:
    """Return the place of a state from the worst, 0, on; one that is not known is near it."""
    return ORDER.get(name, 1)
