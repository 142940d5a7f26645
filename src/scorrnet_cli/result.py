"""A measurement in Python's hands: a field that takes its own strain, draws itself, and becomes an xarray data set."""

from __future__ import annotations

import importlib.util
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scorrnet_cli.errors import not_installed
from scorrnet_cli.field import PER_PIXEL, Field
from scorrnet_cli.gauge import Strain
from scorrnet_cli.units import Calibration

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

_WORDS = {
    "u": "displacement to the right",
    "v": "displacement down",
    "sigma_u": "standard uncertainty of u",
    "sigma_v": "standard uncertainty of v",
    "zncc": "zero-mean normalised cross-correlation",
    "mask": "the surface",
    "valid": "the result can be used",
    "fallback": "one window stands in for the refinement network",
}
_STRAIN_WORDS = {
    "exx": "strain along x",
    "eyy": "strain along y",
    "exy": "shear strain (tensor)",
    "sigma_exx": "standard uncertainty of exx",
    "sigma_eyy": "standard uncertainty of eyy",
    "sigma_exy": "standard uncertainty of exy",
    "e1": "larger principal strain",
    "e2": "smaller principal strain",
    "von_mises": "equivalent strain of von Mises",
}


class Result(Field):
    """A `Field`, as `scorrnet_cli.measure` and `scorrnet_cli.read` give it.

    >>> field = sc.measure("ref.tif", "def.tif")
    >>> field.strain(window=41, measure="hencky").eyy
    """

    @staticmethod
    def of(field: Field) -> Result:
        """Return the same measurement with what can be done with it; its arrays are its own, and may be changed."""
        values = {item.name: getattr(field, item.name) for item in fields(Field)}
        return Result(**values | {name: values[name].copy() for name in PER_PIXEL})

    def strain(
        self,
        window: int | None = None,
        measure: str | None = None,
        order: int | None = None,
        weights: str | None = None,
    ) -> Strain:
        """Take strain from the displacement; it is not kept.

        Parameters
        ----------
        window : int, optional
            Side of the window that a polynomial is fitted to, px, odd.
        measure : str, optional
            ``green-lagrange``, ``euler-almansi``, ``hencky`` or ``small``.
        order : int, optional
            Degree of the polynomial, 1 or 2.
        weights : str, optional
            ``uniform`` or ``gaussian``.

            What is not given is as in the settings of the measurement: 25, green-lagrange, 1 and uniform if those do
            not say otherwise. If nothing is given and the result has strain, that is returned.

        Returns
        -------
        Strain
            exx, eyy, exy, their uncertainties, principal strains: (T, H, W) float32, NaN where there is none.

        Raises
        ------
        UsageError
            If a value makes no sense.
        """
        given = {"window_px": window, "measure": measure, "order": order, "weights": weights}
        changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if not changes and self.strain_field is not None:
            return self.strain_field
        from scorrnet_cli.strain import strain_of

        return strain_of(self, replace(self.process.settings.gauge, **changes))

    def with_scale(self, mm_per_px: float) -> Result:
        """Return the same result with another scale: one pixel is so many mm on the specimen. Arrays stay in px.

        Raises
        ------
        UsageError
            If it is not positive.
        """
        return replace(self, calibration=Calibration(mm_per_px, "Python"))

    def plot(self, *quantities: str, frame: int = -1) -> Figure:
        """Draw quantities of one frame.

        Parameters
        ----------
        *quantities : str
            Names as ``scorrnet plot --field`` has them, such as ``u`` or ``exx``; u and v if none is given.
        frame : int
            Which; the last if not given.

        Returns
        -------
        matplotlib.figure.Figure
            In px, or mm where the scale is known; its ``savefig`` writes it.

        Raises
        ------
        UsageError
            If there is no quantity of a name, or matplotlib is not installed.
        """
        from scorrnet_cli.pictures.layout import arrangement
        from scorrnet_cli.pictures.paper import Panel, Style, check_matplotlib, draw
        from scorrnet_cli.pictures.quantities import chosen_quantities, values_of
        from scorrnet_cli.pictures.scale import choose_scale, ends_of
        from scorrnet_cli.snapshots import Snapshot

        check_matplotlib("plot")
        index = range(self.shape[0])[frame]
        one = Snapshot(index, self._frame(index))
        mm_per_px = self.calibration.mm_per_px if self.calibration else None
        panels = []
        for quantity in chosen_quantities(list(quantities) or ["u", "v"]):
            values = values_of(quantity, one)
            scale = choose_scale(quantity, [ends_of(values)], mm_per_px)
            shown = values * np.float32(quantity.factor(mm_per_px))
            panels.append(Panel(one.name, None, shown, scale, quantity.symbol))
        shape = self.shape[1:]
        style = Style(shape, mm_per_px)
        return draw(panels, arrangement(len(panels), shape, shared=False), style)

    def to_xarray(self) -> xarray.Dataset:
        """Return all arrays as an xarray data set, with coordinates and units.

        Returns
        -------
        xarray.Dataset
            Dimensions frame, y and x. Coordinates x and y in px, image (names), time in s where it is known. Lengths
            are in px; the attribute ``mm_per_px`` is the scale, if it is known. Strain is there if it was measured.

        Raises
        ------
        UsageError
            If xarray is not installed.
        """
        if importlib.util.find_spec("xarray") is None:
            raise not_installed("to_xarray needs xarray", "xarray")
        import xarray

        axes = ("frame", "y", "x")
        arrays = {name: (axes, getattr(self, name), _attributes(name, words)) for name, words in _WORDS.items()}
        if self.strain_field is not None:
            for name, words in _STRAIN_WORDS.items():
                arrays[name] = (axes, getattr(self.strain_field, name), {"long_name": words, "units": "1"})
        return xarray.Dataset(arrays, self._coordinates(), self._facts())

    def _coordinates(self) -> dict[str, Any]:
        frames, height, width = self.shape
        coordinates: dict[str, Any] = {
            "frame": np.arange(frames),
            "y": ("y", np.arange(height), {"units": "px", "long_name": "down"}),
            "x": ("x", np.arange(width), {"units": "px", "long_name": "to the right"}),
            "image": ("frame", [info.name for info in self.deformed]),
        }
        times = [info.at_s for info in self.deformed]
        if any(time is not None for time in times):
            values = [np.nan if time is None else time for time in times]
            coordinates["time"] = ("frame", values, {"units": "s", "source": self.time_source})
        return coordinates

    def _facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "program": "scorrnet",
            "version": self.process.version,
            "reference": self.reference.name,
            "settings": self.process.settings.to_json(),
            "increments": int(self.process.settings.increments),  # no flags in netCDF
        }
        if self.calibration is not None:
            facts |= {"mm_per_px": self.calibration.mm_per_px, "scale_source": self.calibration.source}
        if self.strain_field is not None:
            facts |= {"strain_measure": self.strain_field.measure, "vsg_size_px": self.strain_field.vsg_size_px}
        return facts

    def _frame(self, index: int) -> Field:
        """Return one frame."""
        chosen = slice(index, index + 1)
        return replace(
            self,
            **{name: getattr(self, name)[chosen] for name in PER_PIXEL},
            deformed=self.deformed[chosen],
            strain_field=None if self.strain_field is None else self.strain_field[chosen],
        )


def _attributes(name: str, words: str) -> dict[str, str]:
    return {"long_name": words, "units": "px" if name in ("u", "v", "sigma_u", "sigma_v") else "1"}
