"""The tanks of a farm: shells, contents, instruments, drawn from the seed.

Every array has the shape (tanks,).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tankwatch.simulate.climate import Climate
from tankwatch.simulate.faults import Need
from tankwatch.simulate.vents import Vents, size_vents

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

STEAM_DEGC = 140.0
# Solar absorptance of tank paint, AP-42 table 7.1-6: white, aged white, aluminium, light grey.
ABSORPTANCES = (0.17, 0.25, 0.39, 0.54)


@dataclass(frozen=True, slots=True)
class Product:
    """What a tank holds.

    Attributes:
        density_kg_m3: of the liquid.
        heat_j_kg_k: specific heat of the liquid.
        vapour_kpa: true vapour pressure at 20 degC.
        vaporisation_j_mol: heat of vaporisation.
        kept_degc: temperature at which it is kept; None for product that is not heated.
    """

    density_kg_m3: float
    heat_j_kg_k: float
    vapour_kpa: float
    vaporisation_j_mol: float
    kept_degc: float | None = None


HEATED = (
    Product(960.0, 1900.0, 0.02, 60_000.0, 60.0),  # heavy fuel oil
    Product(900.0, 2000.0, 3.0, 38_000.0, 42.0),  # waxy crude
)
COLD = (
    Product(840.0, 2050.0, 0.06, 52_000.0),  # diesel
    Product(800.0, 2050.0, 0.4, 45_000.0),  # jet fuel
    Product(850.0, 2000.0, 14.0, 32_000.0),  # light crude
)
VOLATILE = Product(700.0, 2150.0, 25.0, 31_000.0)  # naphtha, always blanketed


@dataclass(frozen=True, slots=True)
class Shell:
    """Size, paint and heat paths of each tank.

    Attributes:
        volume_m3: float64, roof edge to bottom.
        area_m2: float64, of the roof and of the liquid's surface.
        height_m: float64.
        absorptance: float64, share of sunlight that the paint takes up.
        wall_w_m2_k: float64, heat transfer of the shell; small where insulated.
        roof_w_m2_k: float64, heat transfer of the roof.
    """

    volume_m3: Floats
    area_m2: Floats
    height_m: Floats
    absorptance: Floats
    wall_w_m2_k: Floats
    roof_w_m2_k: Floats

    @property
    def girth_m(self) -> Floats:
        """Return float64 (tanks,), length around the shell."""
        return 2.0 * np.sqrt(np.pi * self.area_m2)


@dataclass(frozen=True, slots=True)
class Contents:
    """Product, heating and traffic of each tank.

    Attributes:
        heated: bool, has a steam coil with a thermostat.
        kept_degc: float64, middle of the thermostat's band.
        band_k: float64, half of the thermostat's band.
        coil_w_k: float64, coil conductance between steam and product when open.
        coil_excess: float64, what the coil can do over what holding the temperature takes.
        density_kg_m3, heat_j_kg_k, vapour_kpa, vaporisation_j_mol: float64, see `Product`.
        evaporation_m_s: float64, mass transfer from the surface into the vapour space.
        transfer_m3_s: float64, usual rate of fills and draws.
        feed_degc: float64, usual temperature of what is pumped in.
    """

    heated: Flags
    kept_degc: Floats
    band_k: Floats
    coil_w_k: Floats
    coil_excess: Floats
    density_kg_m3: Floats
    heat_j_kg_k: Floats
    vapour_kpa: Floats
    vaporisation_j_mol: Floats
    evaporation_m_s: Floats
    transfer_m3_s: Floats
    feed_degc: Floats


@dataclass(frozen=True, slots=True)
class Plant:
    """The tanks of a farm."""

    names: tuple[str, ...]
    shell: Shell
    contents: Contents
    vents: Vents

    @property
    def able(self) -> dict[Need, NDArray[np.intp]]:
        """Return for each need the indices of the tanks that meet it."""
        blanketed = self.vents.blanketed
        return {
            Need.NOTHING: np.arange(len(self.names)),
            Need.HEATED: np.flatnonzero(self.contents.heated),
            Need.BLANKETED: np.flatnonzero(blanketed),
            Need.BREATHING: np.flatnonzero(~blanketed),
        }


def draw_plant(rng: np.random.Generator, tanks: int, *, climate: Climate) -> Plant:
    """Return `tanks` different tanks; from two up, every kind of fault can happen to one of them.

    A third is heated, a third blanketed; a tank may be both.
    """
    heated = np.zeros(tanks, dtype=bool)
    blanketed = np.zeros(tanks, dtype=bool)
    heated[rng.permutation(tanks)[: max(round(tanks / 3), 1)]] = True
    blanketed[rng.permutation(tanks)[: min(max(round(tanks / 3), 1), tanks - 1)]] = True
    products = [
        _draw_product(rng, bool(h), bool(b)) for h, b in zip(heated, blanketed, strict=True)
    ]
    shell = _draw_shell(rng, heated)
    contents = _draw_contents(rng, shell, products, climate=climate)
    vents = size_vents(
        rng,
        blanketed,
        volume_m3=shell.volume_m3,
        transfer_m3_s=contents.transfer_m3_s,
    )
    names = tuple(f"TK-{101 + i}" for i in range(tanks))
    return Plant(names, shell, contents, vents)


def _draw_product(rng: np.random.Generator, heated: bool, blanketed: bool) -> Product:  # noqa: FBT001
    if heated:
        return HEATED[int(rng.integers(len(HEATED)))]
    if blanketed and rng.random() < 0.6:
        return VOLATILE
    return COLD[int(rng.integers(len(COLD)))]


def _draw_shell(rng: np.random.Generator, heated: Flags) -> Shell:
    tanks = heated.size
    volume = np.where(
        heated,
        np.exp(rng.uniform(np.log(250.0), np.log(900.0), tanks)),
        np.exp(rng.uniform(np.log(500.0), np.log(5000.0), tanks)),
    )
    height_to_diameter = rng.uniform(0.5, 1.1, tanks)
    diameter = np.cbrt(4.0 * volume / (np.pi * height_to_diameter))
    wall = np.where(heated, rng.uniform(1.2, 2.0, tanks), rng.uniform(4.0, 6.0, tanks))
    return Shell(
        volume_m3=volume,
        area_m2=np.pi * diameter**2 / 4.0,
        height_m=height_to_diameter * diameter,
        absorptance=rng.choice(ABSORPTANCES, tanks),
        wall_w_m2_k=wall,
        roof_w_m2_k=rng.uniform(3.0, 4.5, tanks),
    )


def _draw_contents(
    rng: np.random.Generator, shell: Shell, products: list[Product], *, climate: Climate
) -> Contents:
    tanks = len(products)

    def of(name: str) -> Floats:
        return np.array([getattr(product, name) for product in products], dtype=np.float64)

    kept = of("kept_degc")
    heated = np.isfinite(kept)
    kept = np.where(heated, kept + rng.uniform(-4.0, 4.0, tanks), 0.0)
    loss_w_k = shell.wall_w_m2_k * shell.girth_m * shell.height_m * 0.55 + 2.5 * shell.area_m2
    coil_excess = rng.uniform(2.5, 3.5, tanks)
    holding_w = loss_w_k * (kept - climate.mean_degc)
    coil = np.where(heated, coil_excess * holding_w / (STEAM_DEGC - kept), 0.0)
    feed = np.where(heated, kept - rng.uniform(2.0, 6.0, tanks), climate.mean_degc)
    return Contents(
        heated=heated,
        kept_degc=kept,
        band_k=rng.uniform(0.6, 1.0, tanks),
        coil_w_k=coil,
        coil_excess=coil_excess,
        density_kg_m3=of("density_kg_m3"),
        heat_j_kg_k=of("heat_j_kg_k"),
        vapour_kpa=of("vapour_kpa"),
        vaporisation_j_mol=of("vaporisation_j_mol"),
        evaporation_m_s=rng.uniform(1e-4, 4e-4, tanks),
        transfer_m3_s=shell.volume_m3 / (rng.uniform(10.0, 20.0, tanks) * 3600.0),
        feed_degc=feed,
    )
