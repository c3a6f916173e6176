"""Settings of readings that come late."""

from tankwatch.settings_section import Section, setting


class Late(Section):
    """Readings that come late: how long they are waited for, and how far back they are scored."""

    horizon_h: float = setting(
        24.0,
        "Late readings up to this old are scored again; older ones are stored and recorded.",
        unit="h",
        ge=0,
        le=24 * 31,
    )
    checkpoint_h: float = setting(
        2.0,
        "Time between the memories that are kept so that scoring can go back to them.",
        unit="h",
        gt=0,
        le=24,
    )
    wait_s: int = setting(
        1800,
        "How far a tank may lag behind its site before the site's memories go on without it.",
        unit="s",
        ge=0,
        le=86_400,
    )
    sites: dict[str, int] = setting(
        {}, "Allowed lateness of the tanks of a site, in place of grid.lateness_s.", unit="s"
    )
    tanks: dict[str, int] = setting(
        {}, "Allowed lateness of a tank, in place of its site's.", unit="s"
    )
