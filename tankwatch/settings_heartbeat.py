"""Settings of the heartbeat: a call that stays away when the watch is not well."""

from pydantic import SecretStr, field_validator

from tankwatch.settings_section import Section, setting


class Heartbeat(Section):
    """An address that is called while all is well; whoever listens there alarms when it is not."""

    url: SecretStr = setting(
        SecretStr(""), "Address that is called, https:// or http://; empty switches it off."
    )
    every_s: float = setting(60.0, "How often.", unit="s", ge=1, le=86_400)
    timeout_s: float = setting(5.0, "Longest wait for the answer.", unit="s", gt=0, le=60)
    late_s: float = setting(
        600.0,
        "A pass that ended longer ago than this, or a message that waits longer, is not well.",
        unit="s",
        gt=0,
        le=86_400,
    )
    ca_file: str = setting(
        "", "PEM file of the authority that signed the server's certificate, if a private one."
    )

    @field_validator("url")
    @classmethod
    def _of_the_web(cls, url: SecretStr) -> SecretStr:
        if url.get_secret_value() and not url.get_secret_value().startswith(
            ("https://", "http://")
        ):
            message = "must begin with https:// or http://"
            raise ValueError(message)
        return url
