import numpy as np
import torch
from torch.nn.functional import interpolate

from pipeline.extract.area import AreaTable


def area(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """The reference: torch's area interpolation."""
    batch = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
    return interpolate(batch, (height, width), mode="area")[0].permute(1, 2, 0).numpy()


def test_resizing_agrees_with_torch_up_and_down() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (53, 71, 3), np.uint8)
    for width, height in [(30, 20), (71, 53), (7, 50), (100, 90)]:
        assert np.allclose(AreaTable(picture).resize(width, height), area(picture, width, height), atol=1e-4)


def test_crops_agree_with_torch() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (53, 71, 3), np.uint8)
    boxes = np.array([[3, 5, 40, 50], [0, 0, 5, 9], [60, 40, 71, 53]])
    crops = AreaTable(picture).crop(boxes, 24)
    for crop, (left, top, right, bottom) in zip(crops, boxes, strict=True):
        assert np.allclose(crop, area(picture[top:bottom, left:right], 24, 24), atol=1e-4)


def test_sums_beyond_32_bits_do_no_harm() -> None:
    picture = np.full((3000, 3000, 3), 250, np.uint8)
    assert np.allclose(AreaTable(picture).resize(100, 100), 250)
