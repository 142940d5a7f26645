"""What measures: the networks on their device, and the settings to use them with."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

import torch

from scorrnet_cli import weights
from scorrnet_cli.allocation import keep_freed_memory
from scorrnet_cli.device import choose_device, describe, network_dtype
from scorrnet_cli.field import Process
from scorrnet_cli.frames import digest_of
from scorrnet_cli.models.corrnet import CorrNet
from scorrnet_cli.models.enet import Segmenter
from scorrnet_cli.models.fusion import Fuser
from scorrnet_cli.models.inference import make_ready
from scorrnet_cli.settings import Settings
from scorrnet_cli.version import __version__


@dataclass(frozen=True)
class Instruments:
    """Networks on their device, and the settings to use them with.

    Attributes
    ----------
    settings : Settings
    where : torch.device
    segmentation : ENet, ENets or None
        None if the mask is given by the user.
    displacement : CorrNet
    refinement : FusionNet, FusionNets or None
        None if the field is not refined, or with one window.
    hashes : dict of str to str
        sha256 of the weights of each network used.
    mask_sha256 : str
        That of the mask file that the user gave; empty if there is none.
    """

    settings: Settings
    where: torch.device
    segmentation: Segmenter | None
    displacement: CorrNet
    refinement: Fuser | None
    hashes: dict[str, str]
    mask_sha256: str = ""

    @property
    def device(self) -> str:
        """Name of the device, for people."""
        return describe(self.where)

    def process(self) -> Process:
        """Return how results are made from here on."""
        date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        return Process(__version__, date, self.device, self.hashes, self.settings, self.mask_sha256)


def load(settings: Settings) -> Instruments:
    """Choose the device and load the networks onto it.

    From then on the process keeps the memory that it frees, see `keep_freed_memory`.

    Raises
    ------
    DeviceError
        If the device asked for is absent.
    WeightsError
        If weights are missing, damaged or of another network.
    UsageError
        If there is no such device.
    OutputError
        If the bundled weights cannot be unpacked.
    """
    keep_freed_memory()
    device = choose_device(settings.device)
    hashes: dict[str, str] = {}
    segmentation = None
    if settings.mask is None:
        given = _path(settings.segmentation_weights)
        segmentation, hashes["segmentation"] = weights.load_network("segmentation", device, given)
        if device.type == "cpu":
            make_ready(segmentation, network_dtype(device))
    given = _path(settings.displacement_weights)
    displacement, hashes["displacement"] = weights.load_network("displacement", device, given)
    refinement = None
    if settings.refine and settings.window_px is None:
        given = _path(settings.refinement_weights)
        refinement, hashes["refinement"] = weights.load_network("refinement", device, given)
    mask = settings.mask_file
    digest = digest_of(mask) if mask else ""  # where there is none, `prepare` says so
    return Instruments(settings, device, segmentation, displacement, refinement, hashes, digest)


def _path(value: str | None) -> Path | None:
    return None if value is None else Path(value)
