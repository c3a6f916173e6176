"""What something an operator puts down is about: a tank, a site or the whole plant."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from tankwatch.errors import UsageError
from tankwatch.store.incidents import IncidentRow
from tankwatch.store.plant import SiteRow, TankRow


@dataclass(frozen=True, slots=True)
class Scope:
    """A tank, a site, or everything: then both ids are None.

    `site` is the name of the site that the tank is of, or of the site itself; empty for everything.
    """

    tank_id: int | None
    site_id: int | None
    name: str
    site: str = ""


EVERYWHERE = Scope(None, None, "every tank")


def scope_of_tank(connection: Connection, tank: str) -> Scope:
    """Return the scope of the tank called `tank`.

    Raises:
        UsageError: there is none.
    """
    query = (
        select(TankRow.tank_id, SiteRow.name)
        .join(SiteRow, SiteRow.site_id == TankRow.site_id)
        .where(TankRow.name == tank)
    )
    found = connection.execute(query).one_or_none()
    if found is None:
        message = f"there is no tank {tank!r}: `tankwatch tanks` lists them"
        raise UsageError(message)
    return Scope(found[0], None, f"tank {tank}", found[1])


def scope_of_site(connection: Connection, site: str) -> Scope:
    """Return the scope of the site called `site`.

    Raises:
        UsageError: there is none.
    """
    found = connection.execute(select(SiteRow.site_id).where(SiteRow.name == site)).scalar()
    if found is None:
        names = connection.execute(select(SiteRow.name).order_by(SiteRow.name)).scalars()
        message = f"there is no site {site!r}; there are: {', '.join(names) or 'none yet'}"
        raise UsageError(message)
    return Scope(None, found, f"site {site}", site)


def scope_of_incident(connection: Connection, incident_id: int) -> Scope:
    """Return the scope of the tank that an incident is of.

    Raises:
        UsageError: there is no such incident.
    """
    query = (
        select(TankRow.name)
        .join(IncidentRow, IncidentRow.tank_id == TankRow.tank_id)
        .where(IncidentRow.incident_id == incident_id)
    )
    tank = connection.execute(query).scalar()
    if tank is None:
        message = f"there is no incident {incident_id}: see `tankwatch incidents`"
        raise UsageError(message)
    return scope_of_tank(connection, tank)


def scope_of(connection: Connection, *, tank: str = "", site: str = "") -> Scope:
    """Return the scope that names give: of a tank, else of a site, else everything."""
    if tank and site:
        message = "say --tank or --site, one of the two"
        raise UsageError(message)
    if tank:
        return scope_of_tank(connection, tank)
    return scope_of_site(connection, site) if site else EVERYWHERE
