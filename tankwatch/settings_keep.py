"""How long each kind of record is kept, and where readings go before they are deleted."""

from tankwatch.settings_section import Section, setting


class Keep(Section):
    """How long records are kept."""

    reading_days: float = setting(
        730.0,
        "Readings; a month goes when all of it is older, never what training looks back at.",
        unit="days",
        gt=0,
    )
    export: bool = setting(
        default=True, help_text="Old readings are exported to Parquet before they are deleted."
    )
    archive: str = setting("archive", "Folder of the exported files.")
    hour_days: float = setting(1826.0, "Hourly roll-ups.", unit="days", gt=0)
    day_days: float = setting(7305.0, "Daily roll-ups and data quality.", unit="days", gt=0)
    score_days: float = setting(400.0, "Scores.", unit="days", gt=0)
    band_days: float = setting(
        14.0, "What was expected of each channel, for charts; 0 keeps none.", unit="days", ge=0
    )
    quarantine_days: float = setting(90.0, "Quarantined rows.", unit="days", gt=0)
    job_run_days: float = setting(30.0, "Finished runs of jobs.", unit="days", gt=0)
    audit_days: float = setting(1826.0, "The audit trail.", unit="days", gt=0)
