"""Files that old readings were exported to, each verified before anything was deleted."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Connection, ForeignKey, Integer, String, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from tankwatch.store.base import Base, RowId, UtcTime
from tankwatch.store.plant import SiteRow


class ArchiveRow(Base):
    """A file with the readings of one site and month; `number` tells late additions apart."""

    __tablename__ = "archive"

    archive_id: Mapped[int] = mapped_column(RowId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.site_id"), index=True)
    month_at: Mapped[datetime] = mapped_column(UtcTime)
    number: Mapped[int] = mapped_column(Integer)
    path: Mapped[str] = mapped_column(String(1000))
    rows: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    exported_at: Mapped[datetime] = mapped_column(UtcTime)


@dataclass(frozen=True, slots=True)
class Archive:
    """An exported file as the rest of the program knows it; `path` starts at the archive folder."""

    site: str
    month_at: datetime
    number: int
    path: str
    rows: int
    sha256: str
    exported_at: datetime


def store_archive(connection: Connection, archive: Archive) -> None:
    """Note a verified file."""
    site = select(SiteRow.site_id).where(SiteRow.name == archive.site).scalar_subquery()
    values = {
        "site_id": site,
        "month_at": archive.month_at,
        "number": archive.number,
        "path": archive.path,
        "rows": archive.rows,
        "sha256": archive.sha256,
        "exported_at": archive.exported_at,
    }
    connection.execute(insert(ArchiveRow).values(values))


def load_archives(connection: Connection) -> list[Archive]:
    """Return every exported file, by site, month and number."""
    query = (
        select(
            SiteRow.name,
            ArchiveRow.month_at,
            ArchiveRow.number,
            ArchiveRow.path,
            ArchiveRow.rows,
            ArchiveRow.sha256,
            ArchiveRow.exported_at,
        )
        .join(SiteRow, SiteRow.site_id == ArchiveRow.site_id)
        .order_by(SiteRow.name, ArchiveRow.month_at, ArchiveRow.number)
    )
    return [Archive(*row) for row in connection.execute(query)]
