import tomllib
from pathlib import Path

from tankwatch.settings import Settings
from tankwatch.settings_sources import load_settings
from tankwatch.settings_text import describe, render_reference, render_toml, sections

_LEFT_OUT = tuple(
    f"{key} =" for key in ("low", "high", "range_low", "range_high", "most_per_minute")
)
ROOT = Path(__file__).parents[2]


def load(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "tankwatch.toml"
    file.write_text(text, encoding="utf-8")
    return load_settings(file, {})


def test_the_written_file_loads_to_the_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, render_toml()).model_dump() == load(tmp_path, "").model_dump()


def test_the_written_file_still_loads_to_the_defaults_without_its_comment_marks(
    tmp_path: Path,
) -> None:
    lines = render_toml().splitlines()
    settings = [line.removeprefix("# ") if _is_setting(line) else line for line in lines]
    examples = [line for line in settings if not line.startswith(_LEFT_OUT)]
    loaded = load(tmp_path, "\n".join(examples)).model_dump()
    assert loaded == load(tmp_path, "").model_dump()


def test_every_setting_has_help_and_stands_in_the_file() -> None:
    written = tomllib.loads(
        "\n".join(
            line.removeprefix("# ") if _is_setting(line) else line
            for line in render_toml().splitlines()
        )
    )
    for name, model in sections():
        for setting in describe(model):
            assert setting.help.endswith("."), (name, setting.key)
            assert setting.key in written[name]


def test_the_reference_page_is_what_the_code_says() -> None:
    page = ROOT / "docs" / "reference" / "settings.md"
    assert page.read_text(encoding="utf-8") == render_reference()


def _is_setting(line: str) -> bool:
    key, equals, _ = line.removeprefix("# ").partition(" = ")
    return line.startswith("# ") and bool(equals) and key.replace("_", "").isalnum()
