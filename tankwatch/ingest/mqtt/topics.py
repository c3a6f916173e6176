"""Topics and what stands in their levels: ``plant/{site}/{tank}/{channel}``."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tankwatch.errors import SettingsError

_NAME = re.compile(r"\{([a-z_]+)\}")
_MOST_KEPT = 100_000


@dataclass(frozen=True, slots=True)
class Template:
    """Text with ``{names}``, that is taken apart or put together.

    Attributes:
        text: as it was written.
        names: what stands in braces, in order.
    """

    text: str
    names: tuple[str, ...]

    @classmethod
    def of(cls, text: str, key: str) -> "Template":
        """Return the template that the setting `key` gives.

        Raises:
            SettingsError: a brace is left over, or a name stands there twice.
        """
        names = tuple(_NAME.findall(text))
        if set("{}") & set(_NAME.sub("", text)) or len(set(names)) < len(names):
            message = (
                f"{key} = {text!r} is not a template: write each {{name}} once, in small letters"
            )
            raise SettingsError(message)
        return cls(text, names)

    def fill(self, found: Mapping[str, str]) -> str:
        """Return the text with each name replaced; nothing if one of them was not found."""
        if not all(found.get(name) for name in self.names):
            return ""
        return _NAME.sub(lambda name: found[name[1]], self.text)

    def pattern(self, inner: str = "[^/]+?") -> "re.Pattern[str]":
        """Return what takes a text of this form apart; a name stands for `inner`."""
        parts = _NAME.split(self.text)
        return re.compile(
            "".join(
                f"(?P<{part}>{inner})" if place % 2 else _literal(part)
                for place, part in enumerate(parts)
            )
        )

    @property
    def topic_filter(self) -> str:
        """Return what to subscribe to: each level that holds a name matches anything."""
        levels = self.text.split("/")
        return "/".join("+" if _NAME.search(level) else level for level in levels)


class Topics:
    """The topics of a source."""

    def __init__(self, texts: Sequence[str], key: str) -> None:
        self.templates = tuple(Template.of(text, key) for text in texts)
        self.filters = tuple(dict.fromkeys(one.topic_filter for one in self.templates))
        self._patterns = [one.pattern() for one in self.templates]
        self._known: dict[str, dict[str, str] | None] = {}
        for topic_filter in self.filters:
            _check_filter(topic_filter, key)
        if not texts:
            message = (
                f"{key} names no topic: give one, for instance plant/{{site}}/{{tank}}/{{channel}}"
            )
            raise SettingsError(message)

    @property
    def names(self) -> frozenset[str]:
        """Return the names that every topic tells."""
        return frozenset.intersection(*(frozenset(one.names) for one in self.templates))

    def take_apart(self, topic: str) -> dict[str, str] | None:
        """Return what stands in the levels of `topic`, None where it has no form that is known.

        Topics come again and again, so each is taken apart once.
        """
        if topic in self._known:
            return self._known[topic]
        matches = (pattern.fullmatch(topic) for pattern in self._patterns)
        match = next((match for match in matches if match is not None), None)
        found = None if match is None else match.groupdict()
        if len(self._known) >= _MOST_KEPT:
            self._known.clear()
        self._known[topic] = found
        return found


def _literal(text: str) -> str:
    """Return the expression for text between names: ``+`` is a level and ``#`` all the rest."""
    escaped = re.escape(text).replace(r"\+", "[^/]*")
    if escaped.endswith(r"/\#"):
        return escaped.removesuffix(r"/\#") + "(?:/.*)?"
    return escaped.replace(r"\#", ".*")


def _check_filter(topic_filter: str, key: str) -> None:
    levels = topic_filter.split("/")
    for place, level in enumerate(levels):
        wild = level in {"+", "#"}
        if ("+" in level or "#" in level) and not wild:
            message = f"{key}: in {topic_filter!r}, + and # must be a whole level between slashes"
            raise SettingsError(message)
        if level == "#" and place < len(levels) - 1:
            message = f"{key}: in {topic_filter!r}, # must be the last level"
            raise SettingsError(message)
