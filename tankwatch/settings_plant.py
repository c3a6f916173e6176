"""Settings of the plant."""

from tankwatch.settings_section import Section, TimeZone, setting


class Plant(Section):
    """The plant that is watched."""

    site: str = setting("main", "Site of tanks that are created on their first reading.")
    time_zone: TimeZone = setting("UTC", "Zone in which mails and reports show times.")
    site_time_zones: dict[str, TimeZone] = setting(
        {}, "Zone of a site, by its name, where it is another: maintenance counts in it."
    )

    def zone_of(self, site: str) -> str:
        """Return the time zone of a site."""
        return self.site_time_zones.get(site, self.time_zone)
