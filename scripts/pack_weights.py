"""Measure trained networks on images they never saw, write their model card, and pack them for release.

    python scripts/pack_weights.py --segmentation DIR DIR --displacement DIR --refinement DIR DIR --trained-on "..."

Each is a folder that `scorrnet train` wrote. Several segmentation networks are packed as one that asks all of them,
several refinement networks as one that asks them in turn. The archive, its registry line and the card go to weights/.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from scorrnet_cli import archive, weights
from scorrnet_cli.evaluation.networks import EVALUATION, displacement_figures, segmentation_figures
from scorrnet_cli.models.corrnet import CorrNet
from scorrnet_cli.models.enet import ENet, ENets
from scorrnet_cli.models.fusion import FusionNet, FusionNets
from scorrnet_cli.training.compared import refinement_figures
from scorrnet_cli.training.loop import AVERAGED, LOG
from scorrnet_cli.training.recipe import Recipe, bundled_recipe, load_recipe

COUNT = 100
FACTS: dict[str, dict[str, Any]] = {
    "segmentation": {
        "architecture": "enet",
        "input": "grey reference image, brought to mean 0.5 and similar contrast everywhere",
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
    "refinement": {
        "architecture": "fusion",
        "input": "fields refined with several windows, at half the size of the image, in units of their noise",
        "stride": FusionNet.stride,
        "smallest_image_px": FusionNet.smallest_image_px,
        "displacement_range_px": None,
    },
}
HARD_HEAD = """\
`scorrnet evaluate hard`, seeds and cases that training never draws. Whether the networks keep a bar is judged with the
true mask, as the mask has bars of its own; what a user gets stands under the mask that is found:"""

CARD = """# Model card

Three networks, used one after the other. The first finds the speckled surface in the reference image. The second,
guided by that mask, measures the displacement of every pixel between the reference and a deformed image. The third
takes part in the least-squares refinement: it says for every pixel how widely to average, and how uncertain the result
is.

| | segmentation | displacement | refinement |
|---|---|---|---|
| architecture | ENets, two classes (arXiv:1606.02147), with shortcuts; the mean of their probabilities | \
CorrNet of this project, coarse to fine, mask-guided | dilated convolutions at half size; two of them take turns |
| parameters | {parameters[segmentation]} | {parameters[displacement]} | {parameters[refinement]} |
| images seen in training | {images[segmentation]:,} | {images[displacement]:,} | {images[refinement]:,} |

Trained on: {trained_on}

## Measured

On {count} synthetic images or pairs with seeds that training never draws, without photographs, drawn from the same
ranges as in training; segmentation and displacement networks alone, without refinement.

| | |
|---|---|
{figures}

Displacement: inside the true mask, at points that lie in both images; pairs of 256 x 256 px with displacements up to
32 px, rotation to 32 degrees, stretch and shear to 40 %, cracks, noise of 0.2 to 4 of 255 grey levels,
contrast from 8 %; segmentation: contrast from 3 %. Refinement: mean absolute error of u and v in pairs of
192 x 192 px, geometric mean over the pairs, beside that of the one window in the middle; z is the standard deviation
of error over stated uncertainty.

## Hard cases

{hard}
## Where they fail

* Displacement beyond about 40 px, and rotation or stretch well beyond what is said above: the program then searches,
  and says what it has not found.
* Speckle finer than 1.5 px (aliased) or coarser than about 15 px, and surfaces of less than a few speckles.
* Background that is itself a fine random pattern can be taken for speckle. The program compares what the networks
  doubt with the paint of which they are surest and with what they are sure lies around it, and leaves out what
  differs from the one or is like the other; a rim of some 5 px remains in part, and so does what is seen nowhere
  else. Of 240 images composed of real and rendered paint before rock, ground, walls, wood and metal that no training
  has seen (420 to 800 px), 5 have an IoU below 0.9 (mean 0.977): before perforated sheet, a grating, a hillside,
  dry grass and rough stone. Of 24 of 1300 to 2100 px it was one before the last change of rules. Another drawing of the
  backgrounds, specimens and motions of the test bed keeps all bars, too: mean of IoU 0.983, worst kinds newspaper,
  fabric and gravel (0.96). The backgrounds stones and relief came to the bed, and to what draws training images, after
  the networks were trained. Where the networks are surest of something else than
  the specimen, that is measured, and the specimen may be left out: of one in 240 images, in part. Of 97 photographs
  without any specimen that no training has seen (middle squares, 512 px), 1.9 % was taken for speckle then.
* A pattern that fills the image, without an edge in sight, is the hardest to tell from a rough background: nets, and
  printed dots of 10 px and more. Of three public images with such specimens one (a computed strip with printed dots of
  11 px) was found as a whole, stretched by 45 % to 0.97, one (a shear test with fine white spray on black) but for
  pieces of its rim, with some of the sprayed fixture, and one (a shear test under the microscope, with grains that
  shine) as a whole. `--mask all` takes every pixel.
* Surfaces that are not painted count as background if they are scratched or woven, as brushed metal, wood and cloth
  are: `--mask all` again. Where grain of all sizes fills the image, as on stone, it is often taken for speckle, and can
  be measured. So is bare grain beside the specimen where it has as much contrast.
* The displacement network follows what stays in the image while the surface moves, such as reflections, and is led
  astray by points that shine. The program therefore shows it the images without them, too, where they stand out of the
  pattern or are at rest in the midst of it; what is left undetected, such as a reflection wider than 48 px that reaches
  to the edge, it follows.
* Holes narrower than some three dots, or 12 px, are often filled, see the table. Of holes four dots wide 9 to 16 % is
  taken for surface before a plain wall and 15 to 33 % before clutter, of those six dots wide 2 and 5 % (twelve drawings
  each). Those filled mostly show something as grey as the dots. A hole no wider than the largest drops of the paint,
  before something plain as dark or bright as these, is the same picture as a drop: nothing in it tells which.
* Drops of paint that are far larger than the others can be taken for holes where nothing is seen beside the specimen,
  or more than a tenth of that has their tone and there are but few of them; elsewhere they are surface, and so are
  round holes of three to five dots before something of exactly that tone.
* Of a surface across which a hard shadow falls, some of what lies in it can be taken for background: IoU was 0.98,
  0.97 and 0.98 on three drawings of the test bed.
* A nearly uniform, unlit or blurred part of a surface, a thin strip or ring with few dots across, and in an image of
  256 px the rim of one with dots of 15 px, can be taken for background, and so may a faint, soft pattern of a few grey
  levels; a cloudy thing beside a thin strip was taken instead of it. Give a mask in such cases.
* The displacement network's own field is no measurement to the last digit; the refinement is.
* The refinement loses detail finer than about 12 px, and within 5 px of an edge its error is twice that of the
  interior, several times where there is next to no noise.

## Recipes

Data are synthesised during training; the code that draws them comes with the program.

{recipes}"""


def main() -> None:
    """Read the command line, measure, and pack."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for role in archive.ROLES:
        several = 1 if role == "displacement" else "+"
        what = f"folder of the {role} training"
        parser.add_argument(f"--{role}", type=Path, nargs=several, required=True, metavar="DIR", help=what)
    parser.add_argument("--trained-on", required=True, help="device, time and material, in words")
    parser.add_argument("--hard", type=Path, help="what `scorrnet evaluate hard --markdown` printed, for the card")
    parser.add_argument("--to", type=Path, default=Path("weights"))
    options = parser.parse_args()

    runs: dict[str, list[Path]] = {role: getattr(options, role) for role in archive.ROLES}
    with tempfile.TemporaryDirectory() as folder:
        files = {role: _weights(folders, Path(folder) / f"{role}.safetensors") for role, folders in runs.items()}
        _pack(files, runs, options)


def _weights(runs: list[Path], joined: Path) -> Path:
    """Return the file of weights of a role, of several trainings all of them under their numbers."""
    first, *others = (run / AVERAGED for run in runs)
    if not others:
        return first
    states = enumerate(load_file(path) for path in (first, *others))
    save_file({f"{number}.{name}": values for number, state in states for name, values in state.items()}, joined)
    return joined


def _pack(files: dict[str, Path], runs: dict[str, list[Path]], options: argparse.Namespace) -> None:
    recipes = {role: load_recipe(bundled_recipe(role)) for role in runs}
    networks = _networks(files)
    figures = _measure(networks, recipes)
    recipe_texts = {role: bundled_recipe(role).read_text(encoding="utf-8") for role in runs}
    entries = {role: FACTS[role] | {"recipe": recipe_texts[role], "figures": figures[role]} for role in runs}
    card = options.to / "MODEL_CARD.md"
    card.write_text(
        CARD.format(
            parameters={role: _size(network) for role, network in networks.items()},
            images={role: sum(map(_images, folders)) for role, folders in runs.items()},
            trained_on=options.trained_on,
            count=COUNT,
            figures="\n".join(
                f"| {role}: {name} | {value:.4f} |" for role, found in figures.items() for name, value in found.items()
            ),
            hard=_hard(options.hard),
            recipes="\n".join(f"```toml\n{text}```\n" for text in recipe_texts.values()),
        ),
        encoding="utf-8",
    )
    target = options.to / weights.ARCHIVE
    archive.pack(files, entries, card, target)
    print(json.dumps(figures, indent=1))
    print(f"{target}: {target.stat().st_size / 1e6:.2f} MB, sha256 {archive.sha256(target.read_bytes())}")


def _hard(table: Path | None) -> str:
    """What the card says of hard cases, from the tables of the test bed."""
    if table is None:
        return "Not measured.\n"
    pictures = "![The masks that are farthest from the true ones](hard_masks.png)\n\n"
    pictures += "![The fields of which least is right](hard_fields.png)\n"
    text = table.read_text(encoding="utf-8").replace("### ", "#### ")
    return f"{HARD_HEAD}\n\n{text}\n{pictures}"


def _networks(files: dict[str, Path]) -> dict[str, Any]:
    cpu = torch.device("cpu")
    return {
        "segmentation": weights.load_network("segmentation", cpu, files["segmentation"])[0],
        "displacement": weights.load_network("displacement", cpu, files["displacement"])[0],
        "refinement": weights.load_network("refinement", cpu, files["refinement"])[0],
    }


def _measure(networks: dict[str, Any], recipes: dict[str, Recipe]) -> dict[str, dict[str, float]]:
    return {
        "segmentation": segmentation_figures(networks["segmentation"], recipes["segmentation"].synth, COUNT),
        "displacement": displacement_figures(networks["displacement"], recipes["displacement"].synth, COUNT),
        "refinement": refinement_figures(networks["refinement"], recipes["refinement"].synth, EVALUATION, COUNT),
    }


def _size(network: torch.nn.Module) -> str:
    if isinstance(network, (ENets, FusionNets)):
        return f"{len(list(network.children()))} x {_size(next(network.children()))}"
    return f"{sum(parameter.numel() for parameter in network.parameters()):,}"


def _images(run: Path) -> int:
    rows = list(csv.DictReader((run / LOG).read_text(encoding="utf-8").splitlines()))
    return int(rows[-1]["images"])


if __name__ == "__main__":
    main()
