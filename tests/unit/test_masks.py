"""Masks as careless as networks and hands draw them."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from scorrnet_cli.training.masks import careless
from scorrnet_cli.training.rng import Rng


def test_careless_masks_are_right_wide_tight_or_everything() -> None:
    mask = torch.zeros(1, 1, 40, 40)
    mask[..., 10:30, 12:28] = 1
    made = careless(Rng((5,), torch.device("cpu")), mask.expand(200, -1, -1, -1))
    widest = F.max_pool2d(mask, 7, 1, 3)
    tightest = 1 - F.max_pool2d(1 - mask, 7, 1, 3)
    kinds = {"right": 0, "wide": 0, "tight": 0, "everything": 0}
    for one in made:
        if bool((one == 1).all()):
            kinds["everything"] += 1
        elif torch.equal(one, mask[0]):
            kinds["right"] += 1
        elif bool((one >= mask[0]).all()):
            assert bool((one <= widest[0]).all())
            kinds["wide"] += 1
        else:
            assert bool(((one >= tightest[0]) & (one <= mask[0])).all())
            kinds["tight"] += 1
    assert kinds["everything"] < kinds["wide"] + kinds["tight"]
    assert min(kinds.values()) >= 5
