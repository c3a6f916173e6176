"""Settings of channels beside mail: chat, SMS, push, webhooks."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator

from tankwatch.settings_section import Section, setting

PushName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


class Push(Section):
    """A channel beside mail: chat, SMS, push or a webhook; as many as there are names."""

    url: SecretStr = setting(
        SecretStr(""), "Where to, as Apprise writes it, for instance ntfys://host/topic; a secret."
    )
    severity: Literal["journal", "alert", "alarm"] = setting("alarm", "Least severity.")
    sites: tuple[str, ...] = setting((), "Sites that are told of; empty for all.")

    @field_validator("url")
    @classmethod
    def _says_where(cls, url: SecretStr) -> SecretStr:
        if "://" not in url.get_secret_value():
            message = "must be an address with ://, see docs/how-to/mail.md, Other channels"
            raise ValueError(message)
        return url
