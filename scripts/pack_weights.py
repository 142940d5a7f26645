"""Pack trained networks into the archive that the program brings along.

The metrics are JSON: for each of ``segmentation`` and ``displacement`` an object with ``recipe`` (the TOML of
its training) and ``figures`` (name and unit to number, measured on images that training never saw).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from scorrnet_cli import archive, weights
from scorrnet_cli.models.corrnet import CorrNet
from scorrnet_cli.models.enet import ENet

_FACTS: dict[str, dict[str, Any]] = {
    "segmentation": {
        "architecture": "enet",
        "input": "grey reference image, brought to mean 0.5 and standard deviation 0.25",
        "stride": ENet.stride,
        "smallest_image_px": ENet.smallest_image_px,
        "displacement_range_px": None,
    },
    "displacement": {
        "architecture": "corrnet",
        "input": "grey reference and deformed image of any scale, normalised locally inside; mask of 0 and 1",
        "stride": CorrNet.stride,
        "smallest_image_px": CorrNet.smallest_image_px,
        "displacement_range_px": CorrNet.displacement_range_px,
    },
}


def main() -> None:
    """Read the command line, make sure that the networks load, and pack them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("segmentation", type=Path, help="averaged.safetensors of the segmentation network")
    parser.add_argument("displacement", type=Path, help="averaged.safetensors of the displacement network")
    parser.add_argument("metrics", type=Path, help="JSON, see above")
    parser.add_argument("card", type=Path, help="model card, Markdown")
    parser.add_argument("--to", type=Path, default=Path("weights") / weights.ARCHIVE)
    options = parser.parse_args()

    weights.load_network("segmentation", torch.device("cpu"), options.segmentation)
    weights.load_network("displacement", torch.device("cpu"), options.displacement)
    metrics = json.loads(options.metrics.read_text(encoding="utf-8"))
    entries = {role: facts | metrics[role] for role, facts in _FACTS.items()}
    archive.pack(options.segmentation, options.displacement, entries, options.card, options.to)
    size_mb = options.to.stat().st_size / 1e6
    print(f"{options.to}: {size_mb:.2f} MB, sha256 {archive.sha256(options.to.read_bytes())}")


if __name__ == "__main__":
    main()
