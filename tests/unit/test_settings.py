from pathlib import Path

import pytest

from tankwatch.errors import SettingsError
from tankwatch.settings_sources import load_settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tankwatch.toml"


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(file: Path) -> None:
    file.write_text('[mail]\nport = 25\nhost = "a"\n')
    loaded = load_settings(file, {"TANKWATCH_MAIL__HOST": "b"})
    assert (loaded.mail.port, loaded.mail.host, loaded.mail.attempts) == (25, "b", 8)


def test_lists_in_the_environment_are_json(file: Path) -> None:
    file.write_text("")
    variables = {"TANKWATCH_MAIL__RECIPIENTS": '["a@x.no", "b@x.no"]'}
    assert load_settings(file, variables).mail.recipients == ("a@x.no", "b@x.no")


def test_a_secret_is_read_from_the_file_that_the_variable_names(file: Path) -> None:
    file.write_text("")
    secret = file.with_name("password")
    secret.write_text("hush\n")
    loaded = load_settings(file, {"TANKWATCH_MAIL__PASSWORD_FILE": str(secret)})
    assert loaded.mail.password.get_secret_value() == "hush"
    assert "hush" not in repr(loaded)
    with pytest.raises(SettingsError, match="TANKWATCH_MAIL__PASSWORD_FILE names the file"):
        load_settings(file, {"TANKWATCH_MAIL__PASSWORD_FILE": str(secret) + "x"})


def test_password_of_the_page_must_be_hard_to_guess_and_is_not_shown(file: Path) -> None:
    file.write_text("")
    with pytest.raises(SettingsError, match="at least 16 characters") as told:
        load_settings(file, {"TANKWATCH_SERVE__PAGE_PASSWORD": "hush-hush-hush"})
    assert "page_password" in str(told.value)
    assert "hush" not in str(told.value)
    long = "hush-hush-hush-hush"
    loaded = load_settings(file, {"TANKWATCH_SERVE__PAGE_PASSWORD": long})
    assert loaded.serve.page_password.get_secret_value() == long
    assert "hush" not in repr(loaded)


def test_pressure_and_temperature_stay_when_another_channel_is_declared(file: Path) -> None:
    file.write_text('[channels.level]\nunit = "m"\n[channels.pressure]\nhigh = 2.0\n')
    loaded = load_settings(file, {})
    assert loaded.channel_names == ("pressure", "temperature", "level")
    assert loaded.channels["pressure"].unit == "kPa"
    assert loaded.channels["pressure"].high == 2.0


def test_relative_paths_start_at_the_settings_file(file: Path) -> None:
    file.write_text("")
    loaded = load_settings(file, {})
    assert loaded.path("outbox") == file.parent / "outbox"
    assert loaded.path("/srv/x") == Path("/srv/x")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[detect]\ndeadband = 3\n", r"detect\.deadband = 3 is not allowed: .*less than 1"),
        ("[detect]\ndeadbnd = 0.1\n", r"detect\.deadbnd is not a setting; did you mean deadband"),
        ("[mial]\nport = 1\n", r"mial is not a setting; did you mean mail\?"),
        ("[mail]\nqqqqqq = 1\n", r"known here: host, port"),
        ('[plant]\ntime_zone = "Mars"\n', r"IANA time zone"),
        ('[schedule]\ntrain_at = "25:00"\n', r"schedule\.train_at = '25:00'"),
        ('[channels."Flow Rate"]\nunit = "m"\n', r"channels"),
        ("[channels]\npressure = 3\n", r"channels\.pressure"),
        ('[severity]\nsensor = "high"\n', r"severity\.sensor = 'high'.*journal.*alert.*alarm"),
        ('[severity.symptoms]\nstal = "alert"\n', r"severity\.symptoms"),
        ('[alarms]\nlatching = ["limits"]\n', r"alarms\.latching.*limits"),
        ("[mail\n", r"cannot be read"),
        ('[mail]\npassword = ["x-secret"]\n', r"mail\.password = \(hidden\)"),
    ],
)
def test_what_is_wrong_names_key_value_and_what_is_allowed(
    file: Path, text: str, told: str
) -> None:
    file.write_text(text)
    with pytest.raises(SettingsError, match=told):
        load_settings(file, {})


def test_a_named_file_must_be_there_and_a_default_one_need_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(None, {}).mail.port == 587
    with pytest.raises(SettingsError, match="write one with `tankwatch init`"):
        load_settings(tmp_path / "nope.toml", {})
    with pytest.raises(SettingsError, match="there is no settings file"):
        load_settings(None, {"TANKWATCH_CONFIG": str(tmp_path / "nope.toml")})


def test_a_variable_that_sets_nothing_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"TANKWATCH_MIAL__PORT sets nothing.*plant, database"):
        load_settings(None, {"TANKWATCH_MIAL__PORT": "1"})


def test_address_of_a_channel_is_read_from_a_file_and_never_shown(tmp_path: Path) -> None:
    secret = tmp_path / "ops_url"
    secret.write_text("ntfys://tok3n@ntfy.example/ops\n", encoding="utf-8")
    loaded = load_settings(environment={"TANKWATCH_PUSH__OPS__URL_FILE": str(secret)})
    assert loaded.push["ops"].url.get_secret_value() == "ntfys://tok3n@ntfy.example/ops"
    assert "tok3n" not in repr(loaded)
    with pytest.raises(SettingsError, match=r"push\.ops\.url = \(hidden\)") as refused:
        load_settings(environment={"TANKWATCH_PUSH__OPS__URL": "tok3n"})
    assert "tok3n" not in str(refused.value)
