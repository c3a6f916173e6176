"""Settings of what moves a whole site at once."""

from tankwatch.settings_section import Section, setting


class Siblings(Section):
    """When what many tanks of a site do together becomes one incident of the site."""

    share: float = setting(
        0.3, "Share of a site's tanks with the same kind of incident that makes it one.", gt=0, le=1
    )
    least_tanks: int = setting(4, "Never fewer tanks than this.", unit="tanks", ge=2)
    window_s: float = setting(
        1800.0, "Incidents raised within this time belong together; 0 switches off.", unit="s", ge=0
    )
    wait_s: float = setting(
        300.0,
        "How long the mail of one tank waits for its siblings, where a site has enough tanks; one "
        "about a limit never waits.",
        unit="s",
        ge=0,
        le=86_400,
    )
