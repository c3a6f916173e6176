"""Every exception that tankwatch raises on purpose.

::

    TankwatchError
    ├── UsageError            the command or call was put wrongly (exit code 2)
    │   └── SettingsError     a setting is missing, unknown or out of range
    ├── SourceError           a source of readings cannot be read at all
    │   └── WrongSiteError    a tank belongs to a site that its source may not write to
    ├── SpoolError            what is to be sent cannot be kept
    ├── ProblemError          an HTTP request cannot be served; becomes the answer's body
    ├── ShapeError            an array does not have the axes that were asked for
    ├── StoreError            the database refused; ``retry``: may the same succeed soon?
    │   └── SchemaError       the database is not at the revision this version needs
    ├── ModelError            a model is missing, broken or does not fit the data
    │   └── TrainingError     training did not end with a usable model
    ├── LeaseError            another daemon does the work
    └── DeliveryError         a message could not be handed over; ``retry``: try again?

    UserWarning
    └── CalibrationWarning    thresholds stand on too little time to be relied on

Each message says what is wrong, where, and the remedy.
"""


class TankwatchError(Exception):
    """Base of every error that tankwatch raises on purpose."""


class UsageError(TankwatchError):
    """The command or call was put wrongly."""


class SettingsError(UsageError):
    """A setting is missing, unknown or out of range."""


class SourceError(TankwatchError):
    """A source of readings cannot be read at all."""


class WrongSiteError(SourceError):
    """A tank belongs to a site that its source may not write to."""


class SpoolError(TankwatchError):
    """What is to be sent cannot be kept."""


class ProblemError(TankwatchError):
    """An HTTP request cannot be served."""

    def __init__(self, status: int, what: str, *, where: str, remedy: str, **headers: str) -> None:
        super().__init__(f"{what} ({where}): {remedy}")
        self.status, self.what, self.where, self.remedy = status, what, where, remedy
        self.headers = {name.replace("_", "-").title(): text for name, text in headers.items()}


class ShapeError(TankwatchError, ValueError):
    """An array does not have the axes that were asked for."""


class StoreError(TankwatchError):
    """The database refused."""

    def __init__(self, message: str, *, retry: bool = False) -> None:
        super().__init__(message)
        self.retry = retry


class SchemaError(StoreError):
    """The database is not at the revision this version needs."""


class ModelError(TankwatchError):
    """A model is missing, broken or does not fit the data."""


class TrainingError(ModelError):
    """Training did not end with a usable model."""


class LeaseError(TankwatchError):
    """Another daemon does the work."""


class DeliveryError(TankwatchError):
    """A message could not be handed over."""

    def __init__(self, message: str, *, retry: bool) -> None:
        super().__init__(message)
        self.retry = retry


class CalibrationWarning(UserWarning):
    """Thresholds stand on too little time to be relied on."""
