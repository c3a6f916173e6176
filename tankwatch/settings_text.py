"""The settings as text: the commented file that `tankwatch init` writes, and the reference page."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from tankwatch.settings import PREFIX, Settings
from tankwatch.settings_channels import DEFAULT_CHANNELS, ChannelRules
from tankwatch.settings_live import MqttSource, OpcuaNode, OpcuaSource
from tankwatch.settings_push import Push

# Tables of tables: as many of each as there are names.
NAMED: tuple[tuple[str, type[BaseModel]], ...] = (
    ("sources.mqtt.<name>", MqttSource),
    ("sources.opcua.<name>", OpcuaSource),
    ("sources.opcua.<name>.nodes", OpcuaNode),
    ("channels.<name>", ChannelRules),
    ("push.<name>", Push),
)
_BOUNDS = (("gt", "above"), ("ge", "at least"), ("lt", "below"), ("le", "at most"))


@dataclass(frozen=True, slots=True)
class Described:
    """A setting as people read it."""

    key: str
    default: Any
    unit: str
    allowed: str
    help: str


def render_toml() -> str:
    """Return `tankwatch.toml` with every setting explained and at its default, commented out."""
    lines = [
        "# Settings of tankwatch.  Every line that is commented out shows a default: take away the",
        "# `#` to change it.  A variable TANKWATCH_<SECTION>__<KEY> overrules a line here; with",
        "# _FILE behind it, it names a file that holds the value.",
    ]
    for section, model in sections():
        lines += ["", f"# {_first_line(model)}", f"[{section}]"]
        for setting in describe(model):
            lines += [f"# {_told(setting)}", f"# {setting.key} = {_toml(setting.default)}"]
    for name, rules in DEFAULT_CHANNELS.items():
        lines += ["", f"# {_first_line(ChannelRules)}", f"[channels.{name}]"]
        for setting in describe(ChannelRules, rules):
            value = _toml(setting.default) if setting.default is not None else "1.0"
            mark = "" if setting.default is not None else "   (no default: an example)"
            lines += [f"# {_told(setting)}{mark}", f"# {setting.key} = {value}"]
    return "\n".join(lines) + "\n"


def render_reference() -> str:
    """Return `docs/reference/settings.md`."""
    lines = [
        "# Settings",
        "",
        "`tankwatch init` writes `tankwatch.toml` with all of this in comments. Each setting can",
        f"also be given as a variable, `{PREFIX}<SECTION>__<KEY>`, which wins over the file; with",
        "`_FILE` behind it, the variable names a file that holds the value, for secrets. Lists",
        "and tables in a variable are JSON. Relative paths start at the folder of the settings",
        f"file. `{PREFIX}CONFIG`, or `--config`, names another settings file.",
        "",
        "This page is made from the code; a test holds it to it.",
    ]
    for section, model in [*sections(), *NAMED]:
        lines += ["", f"## [{section}]", "", _first_line(model), ""]
        lines += ["| key | default | unit | allowed | what it does |", "|---|---|---|---|---|"]
        for setting in describe(model):
            default = "" if setting.default is None else f"`{_toml(setting.default)}`"
            cells = (f"`{setting.key}`", default, setting.unit, setting.allowed, setting.help)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def sections() -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield each section's name and model; channels, which are a table of tables, are not one."""
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield name, field.annotation


def describe(model: type[BaseModel], values: BaseModel | None = None) -> list[Described]:
    """Return the settings of a section, at `values` or else at their defaults."""
    described = []
    for key, field in model.model_fields.items():
        default = field.default if values is None else getattr(values, key)
        extra = field.json_schema_extra
        unit = str(extra.get("unit", "")) if isinstance(extra, dict) else ""
        described.append(Described(key, default, unit, _allowed(field), field.description or ""))
    return described


def _allowed(field: FieldInfo) -> str:
    choices = getattr(field.annotation, "__args__", ())
    texts = [choice for choice in choices if isinstance(choice, str)]
    if texts:
        return ", ".join(f"`{text}`" for text in texts)
    bounds = [
        f"{word} {getattr(limit, name):g}"
        for limit in field.metadata
        for name, word in _BOUNDS
        if getattr(limit, name, None) is not None
    ]
    return ", ".join(bounds)


def _told(setting: Described) -> str:
    unit = f" [{setting.unit}]" if setting.unit else ""
    allowed = f" ({setting.allowed.replace('`', '')})" if setting.allowed else ""
    return f"{setting.help}{unit}{allowed}"


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0]


def _toml(value: Any) -> str:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)
