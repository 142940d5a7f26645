"""``scorrnet info``: what is installed and what it was measured to do."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from rich.table import Table

from scorrnet_cli import __version__
from scorrnet_cli.cli import console
from scorrnet_cli.cli.group import Debug

if TYPE_CHECKING:
    from scorrnet_cli.archive import Manifest

_PACKAGES = ("torch", "numpy", "h5py", "tifffile", "pillow")
_FIGURES = {
    "iou": "IoU of the mask, mean of the images",
    "median_iou": "IoU of the mask, median",
    "pooled_iou": "IoU over all pixels",
    "median_px": "median error, px",
    "mean_px": "mean error, px",
    "p98_px": "98th percentile of the error, px",
    "below_1px": "share of points below 1 px",
    "first_px": "the same by the first of the networks, px",
    "one_window_px": "the same with one window in the middle, px",
    "z": "standard deviation of error over stated uncertainty",
}


def info(debug: Debug = False) -> None:
    """List versions, devices, and the bundled weights with their hashes and measured figures."""
    from scorrnet_cli import weights
    from scorrnet_cli.device import choose_device, describe

    manifest, digest = weights.bundled_manifest()
    table = Table.grid(padding=(0, 2))
    table.add_row("scorrnet", __version__)
    table.add_row("python", f"{platform.python_version()} on {platform.platform(terse=True)}")
    for package in _PACKAGES:
        table.add_row(package, _installed(package))
    table.add_row("device", describe(choose_device("auto")))
    table.add_row("cache", str(weights.cache_folder()))
    table.add_row("weights", f"{weights.bundled_archive().name}, sha256 {digest}")
    _add_networks(table, manifest)
    console.show(table)


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _add_networks(table: Table, manifest: Manifest) -> None:
    """Append what the manifest knows of each network, a line a fact."""
    for role, network in manifest.networks.items():
        table.add_section()
        table.add_row(role, f"{network.architecture}, sha256 {network.sha256}")
        table.add_row("", f"input: {network.input}")
        table.add_row("", f"smallest image: {network.smallest_image_px} px")
        if network.displacement_range_px is not None:
            table.add_row("", f"displacements up to {network.displacement_range_px:g} px")
        if network.figures:
            table.add_row("", "measured on synthetic images that training never draws (model card):")
        for name, value in network.figures.items():
            table.add_row("", f"  {_FIGURES.get(name, name)}: {value:.4g}")
