"""Sections of the settings for HTTP: what the server takes, and how a gateway sends."""

from pydantic import SecretStr, field_validator, model_validator

from tankwatch.settings_section import Section, setting

_SHORTEST_PASSWORD = 16


class Serve(Section):
    """The HTTP server that `tankwatch serve` runs."""

    host: str = setting("127.0.0.1", "Address to listen at; 0.0.0.0 for every network.")
    port: int = setting(8321, "Port to listen at; 0 for any that is free.", ge=0, le=65_535)
    base_url: str = setting(
        "", "Address of the page as operators reach it; mails have buttons where it is set."
    )
    tls_certificate: str = setting("", "PEM file with the certificate chain; empty for no TLS.")
    tls_key: str = setting("", "PEM file with the certificate's private key.")
    page_password: SecretStr = setting(
        SecretStr(""),
        "Password of the page while no operator has one, best from a file; empty shows the page to "
        "this machine only.",
    )
    session_h: float = setting(
        12.0, "How long a login of the page lasts.", unit="h", gt=0, le=24 * 31
    )
    metrics_token: SecretStr = setting(
        SecretStr(""),
        "Bearer token of whoever scrapes /metrics, best from a file; empty lets this machine only.",
    )
    waiting_posts: int = setting(
        32, "Posts taken in at once; one more is told to come again (429).", ge=1, le=10_000
    )
    retry_after_s: int = setting(
        2, "When a source that was sent away should come again.", unit="s", ge=1, le=3600
    )
    body_mb: float = setting(8.0, "Largest body as it is sent.", unit="MB", gt=0, le=1024)
    unpacked_mb: float = setting(
        64.0, "Largest body once it is unpacked from gzip.", unit="MB", gt=0, le=4096
    )
    body_timeout_s: float = setting(
        30.0, "How long a body may take to arrive.", unit="s", gt=0, le=3600
    )

    @model_validator(mode="after")
    def _certificate_and_key(self) -> "Serve":
        if bool(self.tls_certificate) != bool(self.tls_key):
            message = "both files are needed for TLS: set serve.tls_certificate and serve.tls_key"
            raise ValueError(message)
        return self

    @field_validator("page_password", "metrics_token")
    @classmethod
    def _hard_to_guess(cls, password: SecretStr) -> SecretStr:
        if 0 < len(password.get_secret_value()) < _SHORTEST_PASSWORD:
            message = (
                f"must have at least {_SHORTEST_PASSWORD} characters, for instance what "
                "`openssl rand -base64 24` prints"
            )
            raise ValueError(message)
        return password


class Send(Section):
    """How `tankwatch send` sends readings to a server over HTTP."""

    url: str = setting("", "Server, for instance https://tankwatch.example:8321.")
    token: SecretStr = setting(SecretStr(""), "Token of this source; best from a file.")
    ca_file: str = setting(
        "", "PEM file of the authority that signed the server's certificate, if a private one."
    )
    spool: str = setting("spool.db", "File in which readings wait until the server has them.")
    spool_mb: float = setting(1024.0, "Largest size of what waits.", unit="MB", gt=0)
    rows: int = setting(1000, "Most rows in a post.", unit="rows", ge=1, le=100_000)
    linger_s: float = setting(
        1.0, "How long rows of a stream are gathered for a post.", unit="s", gt=0, le=3600
    )
    timeout_s: float = setting(30.0, "Wait for the server.", unit="s", gt=0, le=3600)
    retry_base_s: float = setting(1.0, "First pause between tries; it doubles.", unit="s", gt=0)
    retry_cap_s: float = setting(300.0, "Longest pause between tries.", unit="s", gt=0)
