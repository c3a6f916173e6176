"""Typed settings: ``tankwatch.toml``, then ``TANKWATCH_*`` variables, then secrets from files.

A variable is ``TANKWATCH_<SECTION>__<KEY>``; with ``_FILE`` behind it, it names a file that holds
the value, as container platforms hand over secrets.  Read once, by
``settings_sources.load_settings``.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from tankwatch.settings_ahead import LimitAhead
from tankwatch.settings_alarms import Alarms
from tankwatch.settings_channels import DEFAULT_CHANNELS, ChannelRules
from tankwatch.settings_heartbeat import Heartbeat
from tankwatch.settings_keep import Keep
from tankwatch.settings_late import Late
from tankwatch.settings_live import Sources
from tankwatch.settings_notify import Notify
from tankwatch.settings_plant import Plant
from tankwatch.settings_push import Push, PushName
from tankwatch.settings_section import Section, TimeZone
from tankwatch.settings_section import setting as _setting
from tankwatch.settings_serve import Send, Serve
from tankwatch.settings_severity import SeverityRules
from tankwatch.settings_siblings import Siblings

PREFIX = "TANKWATCH_"

ClockTime = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
DetectorName = Literal["fused", "forecaster", "autoencoder", "robust_z", "pca", "isolation_forest"]
ChannelName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,47}$")]


class Database(Section):
    """Where everything is kept."""

    url: SecretStr = _setting(
        SecretStr("sqlite:///tankwatch.db"),
        "SQLAlchemy URL; a relative SQLite path is relative to the settings file.",
    )
    busy_timeout_s: float = _setting(
        30.0, "How long a write waits for another on SQLite.", unit="s", gt=0, le=600
    )
    patience_s: float = _setting(
        300.0,
        "How long what is safe to repeat is tried again while PostgreSQL is away.",
        unit="s",
        ge=0,
        le=86_400,
    )


class Ingest(Section):
    """How readings come in from files."""

    folder: str = _setting("inbox", "Drop folder that the daemon watches.")
    settle_s: float = _setting(
        2.0, "A file is taken once it has not changed for this long.", unit="s", ge=0, le=3600
    )
    columns: dict[str, str] = _setting(
        {}, "Names in your files for tank, timestamp, channel, value or a channel."
    )
    units: dict[str, str] = _setting({}, "Unit of each channel in your files, if not canonical.")
    absolute: tuple[str, ...] = _setting((), "Channels whose pressure is absolute in your files.")
    atmospheric_kpa: float = _setting(
        101.325, "Subtracted from absolute pressure.", unit="kPa", gt=50, lt=120
    )
    time_zone: TimeZone = _setting("UTC", "Zone of times that state none.")
    skip_columns: tuple[str, ...] = _setting((), "Columns that are never read, such as labels.")
    unknown_tank: Literal["create", "refuse"] = _setting(
        "create", "What happens to a tank that is not in the plant yet."
    )
    future_s: float = _setting(
        600.0, "A reading further ahead of the clock than this is quarantined.", unit="s", ge=0
    )


class Grid(Section):
    """The regular grid that readings are put on."""

    step_s: int = _setting(60, "Length of a step.", unit="s", ge=1, le=86_400)
    max_fill_steps: int = _setting(
        3, "A hole up to this long is filled by holding the last value.", unit="steps", ge=0, le=60
    )
    lateness_s: int = _setting(
        0, "How long a step is kept open for readings that arrive out of order.", unit="s", ge=0
    )


class Model(Section):
    """The networks: the sequence autoencoder, and the stateful forecaster of the default."""

    window: int = _setting(60, "Steps in a window.", unit="steps", ge=4, le=2880)
    units: tuple[int, ...] = _setting((32, 16), "Cells in each encoder layer; the decoder mirrors.")
    cell: Literal["lstm", "gru"] = _setting("lstm", "Recurrent cell.")
    decoder: Literal["repeat", "feedback"] = _setting(
        "repeat", "The decoder is given the code at every step, or its own last output."
    )
    head: Literal["dense", "lstm"] = _setting(
        "dense", "Last layer of the decoder; lstm gives scaled values within -1 and 1 only."
    )
    per: Literal["fleet", "group", "tank"] = _setting(
        "fleet", "One network for all tanks, for each site, or for each tank."
    )
    trim: float = _setting(
        0.0, "Share of the worst training windows that a second fit leaves out.", ge=0, le=0.5
    )
    epochs: int = _setting(40, "Most passes over the training windows.", ge=1, le=10_000)
    batch: int = _setting(128, "Windows in a gradient step.", unit="windows", ge=1, le=65_536)
    learning_rate: float = _setting(0.003, "Step size of Adam.", gt=0, lt=1)
    patience: int = _setting(
        4, "Epochs without a better held-out loss that end training.", unit="epochs", ge=1, le=1000
    )
    max_windows: int = _setting(
        6000, "Training windows sampled from history.", unit="windows", ge=16, le=10_000_000
    )
    forecaster_units: tuple[int, ...] = _setting((32,), "Cells in each layer of the forecaster.")
    forecaster_epochs: int = _setting(
        12, "Most passes of the forecaster over its series.", ge=1, le=10_000
    )
    forecaster_steps: int = _setting(
        800_000,
        "Tank-steps that the forecaster learns from in an epoch, however large the fleet.",
        unit="steps",
        ge=1000,
    )
    seed: int = _setting(0, "Seed of everything random in training.", ge=0, le=2**31 - 1)


class Train(Section):
    """What a model is trained and calibrated on."""

    history_days: float = _setting(60.0, "Training looks back this far.", unit="days", gt=0)
    most_values: int = _setting(
        300_000_000,
        "Values that training holds at once, 18 bytes each: of a longer history the newest part "
        "and stretches drawn from all months before it.",
        ge=100_000,
    )
    min_steps: int = _setting(
        600, "A tank with fewer known steps is left out.", unit="steps", ge=16
    )
    calibration_share: float = _setting(
        0.3,
        "Last share of the history, never trained on, that sets the threshold.",
        gt=0.05,
        lt=0.9,
    )
    false_alarms_per_tank_month: float = _setting(
        0.5, "Alarm budget that the threshold is fitted to.", unit="1/(tank month)", gt=0, le=1000
    )
    timeout_s: float = _setting(7200.0, "A training that takes longer is ended.", unit="s", gt=0)
    every_days: float = _setting(1.0, "Time between trainings.", unit="days", gt=0, le=3650)
    settle_hours: float = _setting(24.0, "First time of a new tank, left out.", unit="h", ge=0)
    warm_start: bool = _setting(
        default=True, help_text="Start from the weights of the model in use if they fit."
    )
    drift_days: float = _setting(7.0, "Scores that drift is looked for in.", unit="days", gt=0)
    drift_psi: float = _setting(0.25, "Population stability index that asks for training.", gt=0)
    drift_tank_share: float = _setting(
        0.25, "Share of tanks above it that asks for training, too.", gt=0, le=1
    )


class Detect(Section):
    """When a score becomes an episode and an episode an incident."""

    detector: DetectorName = _setting("fused", "Detector whose scores open incidents.")
    shadow: tuple[DetectorName, ...] = _setting(
        (), "Detectors that are scored and stored beside it and never alarm."
    )
    on_delay_steps: int = _setting(
        3, "Steps in a row at or above the threshold that raise an episode.", unit="steps", ge=1
    )
    off_delay_steps: int = _setting(
        10, "Steps in a row below the deadband that end it.", unit="steps", ge=1
    )
    deadband: float = _setting(
        0.2, "An episode ends below 1 minus this share of the threshold.", ge=0, lt=1
    )
    merge_gap_steps: int = _setting(
        30, "Episodes of a tank closer than this are one incident.", unit="steps", ge=0
    )
    stale_s: int = _setting(
        1800, "A channel without readings for this long is stale.", unit="s", ge=1
    )
    page_within_s: int = _setting(
        86_400,
        "An incident found later than this after it began is filed, not paged.",
        unit="s",
        ge=0,
    )
    chunk_steps: int = _setting(
        1440, "Most steps that a pass scores between two commits.", unit="steps", ge=1
    )


class Mail(Section):
    """How alarms leave the house."""

    host: str = _setting("", "SMTP server; empty writes .eml files to the folder instead.")
    port: int = _setting(587, "SMTP port.", ge=1, le=65_535)
    security: Literal["starttls", "tls", "none"] = _setting(
        "starttls", "Encryption; never silently dropped."
    )
    username: str = _setting("", "Login name; empty for no login.")
    password: SecretStr = _setting(SecretStr(""), "Login secret; best from a file.")
    sender: str = _setting("tankwatch@localhost", "From address.")
    recipients: tuple[str, ...] = _setting(("operator@localhost",), "Who is told.")
    folder: str = _setting("outbox", "Folder of .eml files when no host is set.")
    timeout_s: float = _setting(20.0, "Wait for the server.", unit="s", gt=0, le=600)
    attempts: int = _setting(8, "Tries before a message is given up.", ge=1, le=1000)
    retry_base_s: float = _setting(30.0, "First pause between tries; it doubles.", unit="s", gt=0)
    retry_cap_s: float = _setting(3600.0, "Longest pause between tries.", unit="s", gt=0)
    links_valid_h: float = _setting(72.0, "How long buttons act.", unit="h", gt=0, le=8760)


class Schedule(Section):
    """When the daemon does what."""

    watch_s: float = _setting(
        5.0, "Look into the drop folder; record how live sources fare.", unit="s", gt=0, le=86_400
    )
    detect_s: float = _setting(60.0, "Score what is new.", unit="s", gt=0, le=86_400)
    deliver_s: float = _setting(10.0, "Send what is queued.", unit="s", gt=0, le=86_400)
    lease_s: float = _setting(
        30.0, "A daemon that dies is replaced by another within this time.", unit="s", ge=1, le=3600
    )
    train_at: ClockTime = _setting("02:30", "Nightly training, in the plant's zone.", unit="HH:MM")
    drift_at: ClockTime = _setting("02:00", "Nightly look for drift.", unit="HH:MM")
    rollup_s: float = _setting(
        300.0, "Bring hours and days up to the readings.", unit="s", gt=0, le=86_400
    )
    housekeeping_at: ClockTime = _setting("03:45", "Nightly clean-up.", unit="HH:MM")


class Log(Section):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = _setting("info", "Least level shown.")
    format: Literal["console", "json"] = _setting("console", "For people or for machines.")


class Settings(BaseSettings):
    """Everything that can be set; each section is a table of the file."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    plant: Plant = Plant()
    database: Database = Database()
    channels: dict[ChannelName, ChannelRules] = Field(default=DEFAULT_CHANNELS)
    ingest: Ingest = Ingest()
    sources: Sources = Sources()
    grid: Grid = Grid()
    late: Late = Late()
    model: Model = Model()
    train: Train = Train()
    detect: Detect = Detect()
    mail: Mail = Mail()
    schedule: Schedule = Schedule()
    keep: Keep = Keep()
    serve: Serve = Serve()
    send: Send = Send()
    log: Log = Log()
    limit_ahead: LimitAhead = LimitAhead()
    siblings: Siblings = Siblings()
    heartbeat: Heartbeat = Heartbeat()
    push: dict[PushName, Push] = Field(default={})
    alarms: Alarms = Alarms()
    severity: SeverityRules = SeverityRules()
    notify: Notify = Notify()
    home: Path = Field(default=Path(), exclude=True)

    @field_validator("channels", mode="before")
    @classmethod
    def _keep_pressure_and_temperature(cls, declared: Any) -> Any:
        if not isinstance(declared, dict):
            return declared
        complete: dict[str, Any] = {}
        for name, rules in DEFAULT_CHANNELS.items():
            own = declared.get(name, {})
            complete[name] = {"unit": rules.unit, **own} if isinstance(own, dict) else own
        return complete | {name: own for name, own in declared.items() if name not in complete}

    def path(self, name: str) -> Path:
        """Return `name` as a path; a relative one starts at the settings file."""
        return self.home / Path(name).expanduser()

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Return the declared channels in order."""
        return tuple(self.channels)
