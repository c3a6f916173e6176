"""Where settings come from, and how a wrong one is reported."""

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource

from tankwatch.errors import SettingsError
from tankwatch.settings import PREFIX, Settings

FILE_NAME = "tankwatch.toml"
CONFIG_VARIABLE = f"{PREFIX}CONFIG"
_FILE_SUFFIX = "_FILE"


def load_settings(
    path: Path | None = None, environment: Mapping[str, str] | None = None
) -> Settings:
    """Return the settings from the file at `path`, overruled by `environment`.

    Without `path`: the file that ``TANKWATCH_CONFIG`` names, else ``tankwatch.toml`` in the
    current folder if there is one, else the defaults.

    Raises:
        SettingsError: the file cannot be read, or a value is unknown or out of range.
    """
    variables = dict(os.environ if environment is None else environment)
    named = path or (Path(variables[CONFIG_VARIABLE]) if CONFIG_VARIABLE in variables else None)
    file = named or Path(FILE_NAME)
    table = _read_toml(file, required=named is not None)
    overrides = _environment_values(variables)
    home = file.parent

    class Sourced(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the base's signature
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (_Environment(settings_cls, overrides), init_settings)

    try:
        return Sourced(**table, home=home)
    except ValidationError as error:
        raise SettingsError(_explain(error, file)) from error


class _Environment(EnvSettingsSource):
    """The environment, with the contents of ``NAME_FILE`` files in place of the names."""

    def __init__(self, settings_cls: type[BaseSettings], variables: Mapping[str, str]) -> None:
        self._variables = {name.lower(): value for name, value in variables.items()}
        super().__init__(settings_cls)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._variables


def _read_toml(file: Path, *, required: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if not required:
            return {}
        message = f"there is no settings file {file}: write one with `tankwatch init`"
        raise SettingsError(message) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        message = f"the settings file {file} cannot be read: {error}"
        raise SettingsError(message) from error


def _environment_values(variables: Mapping[str, str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in variables.items():
        if not name.startswith(PREFIX) or name == CONFIG_VARIABLE:
            continue
        section = name.removeprefix(PREFIX).split("__")[0].lower()
        if section not in Settings.model_fields or section == "home":
            message = (
                f"the environment variable {name} sets nothing: write "
                f"{PREFIX}<SECTION>__<KEY>, with a section of {', '.join(_section_names())}"
            )
            raise SettingsError(message)
        if name.endswith(_FILE_SUFFIX):
            values[name.removesuffix(_FILE_SUFFIX)] = _read_secret(name, value)
        else:
            values[name] = value
    return values


def _read_secret(name: str, file_name: str) -> str:
    try:
        return Path(file_name).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        message = f"{name} names the file {file_name}, which cannot be read: {error}"
        raise SettingsError(message) from error


def _section_names() -> list[str]:
    return [name for name in Settings.model_fields if name != "home"]


def _explain(error: ValidationError, file: Path) -> str:
    lines = [f"the settings are not right (from {file} and the environment):"]
    lines += [f"  {_explain_one(detail)}" for detail in error.errors()]
    return "\n".join(lines)


def _explain_one(detail: ErrorDetails) -> str:
    location = [str(part) for part in detail["loc"]]
    key = ".".join(location)
    if detail["type"] == "extra_forbidden":
        known = _keys_beside(location)
        close = difflib.get_close_matches(location[-1], known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(known)}"
        return f"{key} is not a setting; {hint}"
    reason = detail["msg"].removeprefix("Value error, ")
    is_secret = any(word in key for word in ("password", "token", "url"))
    shown = "(hidden)" if is_secret else repr(detail["input"])
    variable = PREFIX + "__".join(part.upper() for part in location)
    return f"{key} = {shown} is not allowed: {reason[0].lower()}{reason[1:]} (or {variable})"


def _keys_beside(location: list[str]) -> list[str]:
    """Return the keys that are allowed where the last part of `location` stands."""
    if len(location) == 1:
        return _section_names()
    model: type[BaseModel] = Settings
    for part in location[:-1]:
        field = model.model_fields.get(part)
        # A part that is no field is a name or a place within a table of tables.
        if field is not None:
            inner = _model_in(field.annotation)
            if inner is None:
                return []
            model = inner
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the section that `annotation` is or holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(part) for part in get_args(annotation))
    return next((model for model in found if model is not None), None)
