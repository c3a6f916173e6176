"""A tank by its address: site and tank, with a slash between."""

from sqlalchemy import Connection, select

from tankwatch.store.plant import SiteRow, Tank, TankRow


def find_tank(connection: Connection, place: str) -> Tank | None:
    """Return the tank at `place`, as ``site/tank``, where either name may have slashes."""
    if not place.isprintable():  # no name is, and PostgreSQL takes no NUL
        return None
    query = (
        select(TankRow.tank_id, TankRow.name, SiteRow.name, TankRow.response_s)
        .join(SiteRow, SiteRow.site_id == TankRow.site_id)
        .where(SiteRow.name + "/" + TankRow.name == place)
        .order_by(TankRow.tank_id)
    )
    row = connection.execute(query).first()
    return None if row is None else Tank(*row)


def find_tank_called(connection: Connection, name: str) -> Tank | None:
    """Return the tank of that name, None if there is none."""
    query = (
        select(TankRow.tank_id, TankRow.name, SiteRow.name, TankRow.response_s)
        .join(SiteRow, SiteRow.site_id == TankRow.site_id)
        .where(TankRow.name == name)
    )
    row = connection.execute(query).first()
    return None if row is None else Tank(*row)
