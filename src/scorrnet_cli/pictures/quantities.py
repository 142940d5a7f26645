"""What can be shown of a result: names, units, colours, the values themselves and how they are written."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scorrnet_cli.errors import UsageError
from scorrnet_cli.field import FloatArray
from scorrnet_cli.snapshots import Snapshot

LENGTH, STRAIN, PLAIN = "length", "strain", "plain"
_PERCENT = 100.0


@dataclass(frozen=True)
class Quantity:
    """Something that has a value at every measured point.

    Attributes
    ----------
    name : str
        On the command line.
    words : str
        What it is, for people.
    symbol : str
        Its sign in mathtext (the part of TeX that matplotlib knows), without dollars.
    kind : str
        `LENGTH`, in px or mm; `STRAIN`, in %; or `PLAIN`, without a unit.
    centred : bool
        Whether its colours spread from zero to both sides.
    """

    name: str
    words: str
    symbol: str
    kind: str
    centred: bool = False

    @property
    def needs_strain(self) -> bool:
        """Whether it is taken from strain."""
        return self.kind == STRAIN

    def unit(self, mm_per_px: float | None) -> str:
        """Return the unit that values are shown in; empty if there is none."""
        if self.kind == LENGTH:
            return "px" if mm_per_px is None else "mm"
        return "%" if self.kind == STRAIN else ""

    def factor(self, mm_per_px: float | None) -> float:
        """Return what a stored value is multiplied by to be shown in `unit`."""
        if self.kind == LENGTH:
            return mm_per_px or 1.0
        return _PERCENT if self.kind == STRAIN else 1.0


QUANTITIES = {
    each.name: each
    for each in (
        Quantity("u", "displacement to the right", "u", LENGTH),
        Quantity("v", "displacement down", "v", LENGTH),
        Quantity("magnitude", "length of the displacement", "|d|", LENGTH),
        Quantity("exx", "strain along x", "e_{xx}", STRAIN, centred=True),
        Quantity("eyy", "strain along y", "e_{yy}", STRAIN, centred=True),
        Quantity("exy", "shear strain (tensor)", "e_{xy}", STRAIN, centred=True),
        Quantity("e1", "largest principal strain", "e_1", STRAIN, centred=True),
        Quantity("e2", "least principal strain", "e_2", STRAIN, centred=True),
        Quantity("von-mises", "equivalent strain (von Mises)", "e_{vM}", STRAIN, centred=True),
        Quantity("zncc", "correlation of the matched images", r"\mathrm{ZNCC}", PLAIN),
        Quantity("sigma", "standard uncertainty, root mean square of u and v", r"\sigma", LENGTH),
    )
}
"""By name, in the order in which they are listed."""


def chosen_quantities(names: list[str]) -> list[Quantity]:
    """Look quantities up.

    Raises
    ------
    UsageError
        If there is none of a name.
    """
    for name in names:
        if name not in QUANTITIES:
            raise UsageError(f"There is no field {name!r}", "--field", f"Choose from {', '.join(QUANTITIES)}")
    return [QUANTITIES[name] for name in dict.fromkeys(names)]


def values_of(quantity: Quantity, shown: Snapshot) -> FloatArray:
    """Return a quantity of one frame as it is stored: px, or 1 for strain.

    Returns
    -------
    (H, W) float32
        NaN where there is no value, and where the point is not valid: how poorly it matches would take up the scale.
    """
    if quantity.kind == STRAIN:
        values: FloatArray = getattr(shown.strain, quantity.name.replace("-", "_"))[0]
        return values
    field = shown.field
    if quantity.name == "magnitude":
        length: FloatArray = np.hypot(field.u[0], field.v[0])
        return length
    if quantity.name == "sigma":
        mean: FloatArray = np.hypot(field.sigma_u[0], field.sigma_v[0]) * np.float32(np.sqrt(0.5))
        return mean
    plain: FloatArray = np.where(field.valid[0], getattr(field, quantity.name)[0], np.float32(np.nan))
    return plain
