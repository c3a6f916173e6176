"""The tank that an address names."""

from tankwatch.errors import ProblemError
from tankwatch.store.engine import Connection
from tankwatch.store.plant import Tank
from tankwatch.store.tanks import find_tank


def tank_at(connection: Connection, place: str) -> Tank:
    """Return the tank at `place`, ``site/tank``; either name may have slashes.

    Raises:
        ProblemError: 404, there is none.
    """
    tank = find_tank(connection, place)
    if tank is None:
        raise ProblemError(
            404,
            f"there is no tank {place!r}",
            where="address",
            remedy="look for it on the page of all tanks; names are written as readings have "
            "them, the site before the tank",
        )
    return tank
