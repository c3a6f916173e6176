"""Whether mail about a tank waits now, and why: computed from what operators have put down.

It stops mail, never the detection and never the records.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from tankwatch.core.incident import IncidentState, Nature
from tankwatch.core.muting import Mute, MuteReason, ShelfKind, SuppressionRule, strongest
from tankwatch.store.incidents import IncidentRow
from tankwatch.store.maintenance import Maintenance, load_maintenance, may_touch
from tankwatch.store.plant import TankRow
from tankwatch.store.shelves import Shelf, load_shelves
from tankwatch.store.suppression import (
    Suppression,
    Transfer,
    load_suppressions,
    load_transfers,
)

_OF_SHELF = {
    ShelfKind.SHELVED: MuteReason.SHELVED,
    ShelfKind.ONE_SHOT: MuteReason.ONE_SHOT,
    ShelfKind.OUT_OF_SERVICE: MuteReason.OUT_OF_SERVICE,
}


@dataclass(frozen=True, slots=True)
class Muting:
    """All that mutes tanks at one moment.

    Attributes:
        now: that moment.
        sites: site of each tank.
        shelves: what is shelved or out of service, by tank.
        works: maintenance that may have a window now.
        rules: suppression rules that hold.
        transfers: transfer that runs, by tank.
        bad_sensors: incidents of a sensor that stand, by tank.
    """

    now: datetime
    sites: Mapping[int, int]
    shelves: Mapping[int, Sequence[Shelf]]
    works: Sequence[Maintenance]
    rules: Sequence[Suppression]
    transfers: Mapping[int, Transfer]
    bad_sensors: Mapping[int, Collection[int]]

    def of(self, tank_id: int, incident_id: int | None = None) -> Mute | None:
        """Return what mutes a tank, or an incident of it; None if its mail may go."""
        return strongest(self.all_of(tank_id, incident_id))

    def all_of(self, tank_id: int, incident_id: int | None = None) -> list[Mute]:
        """Return everything that mutes a tank, or an incident of it."""
        found = [
            Mute(_OF_SHELF[shelf.kind], shelf.until, _told(shelf.by, shelf.reason))
            for shelf in self.shelves.get(tank_id, ())
            if shelf.incident_id is None or shelf.incident_id == incident_id
        ]
        works = [work for work in self.works if work.covers(tank_id, self.sites[tank_id])]
        ends = [(work, end) for work in works if (end := work.until(self.now)) is not None]
        found += [
            Mute(MuteReason.MAINTENANCE, end, _told(work.by, work.reason))
            for work, end in ends
            if work.mutes
        ]
        for rule in self.rules:
            if rule.covers(tank_id, self.sites[tank_id]):
                found += self._by_rule(rule, tank_id, incident_id, [end for _, end in ends])
        return found

    def _by_rule(
        self, rule: Suppression, tank_id: int, incident_id: int | None, ends: Sequence[datetime]
    ) -> list[Mute]:
        until: datetime | None = None
        if rule.rule is SuppressionRule.TRANSFER:
            transfer = self.transfers.get(tank_id)
            if transfer is None:
                return []
            until = transfer.until
        elif rule.rule is SuppressionRule.MAINTENANCE:
            if not ends:
                return []
            until = max(ends)
        # Of what a bad sensor makes a tank say nobody needs to hear; of the sensor somebody does.
        elif incident_id in (bad := self.bad_sensors.get(tank_id, ())) or not bad:
            return []
        bounds = [bound for bound in (until, rule.until) if bound is not None]
        return [Mute(rule.rule.reason, min(bounds, default=None), _told(rule.by, rule.reason))]


def load_mute(
    connection: Connection, tank_id: int, incident_id: int | None, now: datetime
) -> Mute | None:
    """Return what keeps mail about an incident of a tank from operators at `now`; None if nothing.

    Without an incident it is what mutes the whole tank.
    """
    return load_muting(connection, now, tank_id=tank_id).of(tank_id, incident_id)


def load_muting(connection: Connection, now: datetime, *, tank_id: int | None = None) -> Muting:
    """Return all that mutes tanks at `now`; of several tanks it is asked once and looked up."""
    tanks = select(TankRow.tank_id, TankRow.site_id)
    if tank_id is not None:
        tanks = tanks.where(TankRow.tank_id == tank_id)
    shelves: dict[int, list[Shelf]] = defaultdict(list)
    for shelf in load_shelves(connection, now, tank_id=tank_id):
        shelves[shelf.tank_id].append(shelf)
    rules = load_suppressions(connection, now)
    wanted = {rule.rule for rule in rules}
    transfers: list[Transfer] = []
    if SuppressionRule.TRANSFER in wanted:
        transfers = load_transfers(connection, now, tank_id=tank_id)
    return Muting(
        now=now,
        sites={row.tank_id: row.site_id for row in connection.execute(tanks)},
        shelves=shelves,
        works=load_maintenance(connection, may_touch(now, now)),
        rules=rules,
        transfers={transfer.tank_id: transfer for transfer in transfers},
        bad_sensors=(_bad_sensors(connection) if SuppressionRule.BAD_SENSOR in wanted else {}),
    )


def _bad_sensors(connection: Connection) -> dict[int, set[int]]:
    """Return incidents that stand and look like the fault of a sensor, by tank."""
    query = select(IncidentRow.tank_id, IncidentRow.incident_id).where(
        IncidentRow.nature == Nature.SENSOR.value,
        IncidentRow.ended_at.is_(None),
        IncidentRow.state != IncidentState.CLOSED.value,
        IncidentRow.withdrawn_at.is_(None),
    )
    found: dict[int, set[int]] = defaultdict(set)
    for tank_id, incident_id in connection.execute(query):
        found[tank_id].add(incident_id)
    return found


def _told(by: str, reason: str) -> str:
    return f"{by}: {reason}" if by else reason
