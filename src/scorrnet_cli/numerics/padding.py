"""Images of any size, brought to the multiples that networks need and back."""

from __future__ import annotations

import torch
from torch import Tensor


def pad_to_multiple(
    image: Tensor, multiple: int, smallest: int, *, mirrored: bool = False
) -> tuple[Tensor, tuple[int, int]]:
    """Continue (N, C, H, W) at the right and the bottom.

    Parameters
    ----------
    image : (N, C, H, W)
    multiple, smallest : int
        Of what the height and the width shall be a multiple, and how large at least.
    mirrored : bool
        Mirror the image, so that a pattern goes on, instead of repeating its border, where nothing can be matched.

    Returns
    -------
    padded : (N, C, H', W')
    size : (int, int)
        H, W: `padded[..., :H, :W]` is the image.
    """
    height, width = image.shape[-2:]
    rows, columns = (
        _indices(length, max(length + -length % multiple, smallest), mirrored).to(image.device)
        for length in (height, width)
    )
    return image[..., rows, :][..., columns], (height, width)


def _indices(length: int, longer: int, mirrored: bool) -> Tensor:
    """Which of the rows or columns of an image stand in the longer one."""
    place = torch.arange(longer)
    if not mirrored:
        return place.clamp(max=length - 1)
    return torch.minimum(place % (2 * length), (-1 - place) % (2 * length))
