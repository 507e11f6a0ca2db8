"""Face detection by MTCNN, with facenet-pytorch's weights and arithmetic.

Zhang et al., "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks", IEEE SPL 2016. The networks are
facenet-pytorch's; the cascade around them is ours: a batch of pictures goes through each pyramid level at once, in channels-last layout,
and pictures are scaled by summed-area tables. Boxes agree with those of `facenet_pytorch.MTCNN.detect`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from facenet_pytorch.models.mtcnn import ONet, PNet, RNet
from torch import Tensor, nn
from torchvision.ops import batched_nms, box_iou

from pipeline.extract.area import AreaTable

WINDOW = 12
"""Side (px) of P-Net's receptive field: the size that a face has on its level of the pyramid."""
STRIDE = 2
"""Pixels of a level from one of P-Net's windows to the next."""
PIXELS_PER_PASS = 150_000
"""Pixels of one forward pass of P-Net: its activations then stay in the processor's cache."""
CROPS_PER_PASS = 256
"""Crops of one forward pass of R-Net or O-Net."""
NESTED = 0.7
"""Share of the smaller box in the larger from which on two boxes are one face."""
APART = 0.3
"""Intersection over union up to which boxes of two frames are different faces."""


@dataclass(frozen=True)
class Faces:
    """The faces of one picture.

    Args:
        box: float32 (faces, 4): left, top, right, bottom (px).
        probability: float32 (faces,).
        landmarks: float32 (faces, 5, 2): left eye, right eye, nose, left and right corner of the mouth, as seen in the picture (px).
    """

    box: np.ndarray
    probability: np.ndarray
    landmarks: np.ndarray

    def scaled(self, scale: np.ndarray) -> "Faces":
        """Return the faces in a picture that is `scale` (horizontally, vertically) times as large."""
        return Faces(self.box * np.tile(scale, 2), self.probability, self.landmarks * scale)


@dataclass(frozen=True)
class Candidates:
    """Boxes of a batch of pictures on their way through the cascade: (n, 4) px, (n,) scores, (n,) index of the picture."""

    box: Tensor
    score: Tensor
    picture: Tensor

    def take(self, index: Tensor) -> "Candidates":
        """Return the candidates that an index or a mask names."""
        return Candidates(self.box[index], self.score[index], self.picture[index])


class Detector:
    """MTCNN on the CPU.

    Args:
        thresholds: least probability after P-Net, R-Net and O-Net.
        factor: from one level of the pyramid to the next.
    """

    def __init__(self, thresholds: tuple[float, float, float], factor: float) -> None:
        self.thresholds, self.factor = thresholds, factor
        self._proposal, self._refine, self._output = (_prepare(net()) for net in (PNet, RNet, ONet))

    @torch.inference_mode()
    def detect(self, pictures: Sequence[np.ndarray], min_face: float) -> list[Faces]:
        """Find the faces of pictures of one size.

        Args:
            pictures: RGB, uint8 (height, width, 3) each.
            min_face: side (px) of the smallest face to look for.
        """
        tables = [AreaTable(picture) for picture in pictures]
        return self._finish(tables, self._refine_boxes(tables, self._propose(tables, min_face)))

    @torch.inference_mode()
    def detect_in_frames(self, pictures: Sequence[np.ndarray], min_face: float) -> list[Faces]:
        """Find the faces of consecutive frames: as `detect`, and where a face is missing, look again where a neighbouring frame has one.

        P-Net, the weakest of the three networks, is passed over there; R-Net and O-Net must agree as ever.
        """
        tables = [AreaTable(picture) for picture in pictures]
        found = self._finish(tables, self._refine_boxes(tables, self._propose(tables, min_face)))
        again = self._finish(tables, self._refine_boxes(tables, _missing(found)))
        return [_joined(*pair) for pair in zip(found, again, strict=True)]

    def _propose(self, tables: list[AreaTable], min_face: float) -> Candidates:
        """First stage: P-Net over the pyramid; candidates as squares."""
        height, width = tables[0].height, tables[0].width
        scale = WINDOW / min_face
        levels = []
        while min(height, width) * scale >= WINDOW:
            levels.append(self._propose_on_level(tables, scale))
            scale *= self.factor
        if not levels:
            return Candidates(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.long))
        boxes, scores, moves, picture = (torch.cat(parts) for parts in zip(*levels, strict=True))
        keep = batched_nms(boxes, scores, picture, 0.7)
        boxes, moves = boxes[keep], moves[keep]
        side = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
        return Candidates(_squared(boxes + moves * side), scores[keep], picture[keep])

    def _propose_on_level(self, tables: list[AreaTable], scale: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return boxes (n, 4) px, scores (n,), box regressions (n, 4) and pictures (n,) of one level, after suppression within it."""
        height, width = tables[0].height, tables[0].width
        size = (int(width * scale + 1), int(height * scale + 1))
        step = max(1, PIXELS_PER_PASS // (size[0] * size[1]))
        parts = []
        for first in range(0, len(tables), step):
            level = np.stack([table.resize(*size) for table in tables[first : first + step]])
            moves, probability = self._proposal(_normalised(level))
            index = (probability[:, 1] >= self.thresholds[0]).nonzero()
            picture, row, column = index.unbind(1)
            parts.append((index + torch.tensor([first, 0, 0]), probability[picture, 1, row, column], moves[picture, :, row, column]))
        index, scores, moves = (torch.cat(column) for column in zip(*parts, strict=True))
        corner = index[:, [2, 1]].float() * STRIDE
        boxes = torch.cat([((corner + 1) / scale).floor(), ((corner + WINDOW) / scale).floor()], 1)
        keep = batched_nms(boxes, scores, index[:, 0], 0.5)
        return boxes[keep], scores[keep], moves[keep], index[keep, 0]

    def _refine_boxes(self, tables: list[AreaTable], found: Candidates) -> Candidates:
        """Second stage: R-Net rejects most candidates and moves the others; squares again."""
        crops, found = _cut(tables, found, 24)
        moves, probability = _in_passes(self._refine, crops)
        passed = probability[:, 1] > self.thresholds[1]
        found, moves = Candidates(found.box, probability[:, 1], found.picture).take(passed), moves[passed]
        keep = batched_nms(found.box, found.score, found.picture, 0.7)
        found = found.take(keep)
        return Candidates(_squared(_moved(found.box, moves[keep])), found.score, found.picture)

    def _finish(self, tables: list[AreaTable], found: Candidates) -> list[Faces]:
        """Third stage: O-Net gives box, probability and landmarks."""
        crops, found = _cut(tables, found, 48)
        moves, points, probability = _in_passes(self._output, crops)
        passed = probability[:, 1] > self.thresholds[2]
        found, moves, points = Candidates(found.box, probability[:, 1], found.picture).take(passed), moves[passed], points[passed]
        side = found.box[:, 2:] - found.box[:, :2] + 1
        landmarks = points.view(-1, 2, 5).transpose(1, 2) * side[:, None] + found.box[:, None, :2] - 1
        boxes = _moved(found.box, moves)
        return [_unnested(boxes[at], found.score[at], landmarks[at]) for at in (found.picture == k for k in range(len(tables)))]


def _prepare(net: nn.Module) -> nn.Module:
    return net.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def _normalised(pictures: np.ndarray) -> Tensor:
    """Turn float32 (n, height, width, 3) from 0 to 255 into the networks' input, (n, 3, height, width) in channels-last memory."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).sub_(127.5).mul_(1 / 128)


def _in_passes(net: Callable[[Tensor], tuple[Tensor, ...]], crops: np.ndarray) -> tuple[Tensor, ...]:
    """Run a network over crops (n, side, side, 3), so many at a time; n may be 0, which the network itself does not take."""
    filled = crops if len(crops) else np.zeros((1, *crops.shape[1:]), crops.dtype)
    parts = [net(_normalised(part)) for part in np.split(filled, range(CROPS_PER_PASS, len(filled), CROPS_PER_PASS))]
    return tuple(torch.cat(output)[: len(crops)] for output in zip(*parts, strict=True))


def _cut(tables: list[AreaTable], found: Candidates, side: int) -> tuple[np.ndarray, Candidates]:
    """Cut out the candidates that lie in the picture, float32 (n, side, side, 3)."""
    corner = torch.tensor([tables[0].width, tables[0].height])
    box = found.box.trunc().long()
    box = torch.cat([box[:, :2].clamp(min=1) - 1, box[:, 2:].minimum(corner)], 1)
    inside = (box[:, 2:] > box[:, :2]).all(1)
    found, box = found.take(inside), box[inside]
    crops = np.empty((len(box), side, side, 3), np.float32)
    for index, table in enumerate(tables):
        chosen = (found.picture == index).numpy()
        crops[chosen] = table.crop(box.numpy()[chosen], side)
    return crops, found


def _moved(box: Tensor, moves: Tensor) -> Tensor:
    """Move a box's edges by shares of its sides."""
    return box + moves * (box[:, 2:] - box[:, :2] + 1).repeat(1, 2)


def _squared(box: Tensor) -> Tensor:
    """Make boxes square around their centres, by the longer side."""
    centre, half = (box[:, :2] + box[:, 2:]) / 2, (box[:, 2:] - box[:, :2]).amax(1, keepdim=True) / 2
    return torch.cat([centre - half, centre + half], 1)


def _unnested(box: Tensor, score: Tensor, landmarks: Tensor) -> Faces:
    """Keep, from the most probable face on, those that share less than 70 % of the smaller box with one that is kept."""
    order = score.argsort(descending=True, stable=True)
    boxes = box[order].numpy()
    kept: list[int] = []
    for index, candidate in enumerate(boxes):
        if all(_shared(candidate, boxes[other]) <= NESTED for other in kept):
            kept.append(index)
    keep = order[kept]
    return Faces(box[keep].numpy(), score[keep].numpy(), landmarks[keep].numpy())


def _missing(found: list[Faces]) -> Candidates:
    """Return, for each frame, the faces of its neighbours that it has none near; as squares."""
    boxes, pictures = [np.zeros((0, 4), np.float32)], []
    for index, faces in enumerate(found):
        for neighbour in found[max(index - 1, 0) : index] + found[index + 1 : index + 2]:
            boxes.append(neighbour.box[_are_apart(neighbour.box, faces.box)])
            pictures += [index] * len(boxes[-1])
    box = torch.from_numpy(np.concatenate(boxes))
    return Candidates(_squared(box), torch.ones(len(box)), torch.tensor(pictures, dtype=torch.long))


def _joined(found: Faces, again: Faces) -> Faces:
    """Add the faces of a second look that are none of the first."""
    if not len(again.box):
        return found
    new = _are_apart(again.box, found.box)
    return Faces(*(np.concatenate([getattr(found, f.name), getattr(again, f.name)[new]]) for f in fields(Faces)))


def _are_apart(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Whether each box overlaps none of the others by more than APART, (n,)."""
    overlap = box_iou(torch.from_numpy(box), torch.from_numpy(others))
    return (overlap <= APART).all(1).numpy()


def _shared(first: np.ndarray, second: np.ndarray) -> float:
    """Return two boxes' intersection as a share of the smaller one."""
    overlap = np.maximum(np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2]) + 1, 0).prod()
    return float(overlap / min((first[2:] - first[:2] + 1).prod(), (second[2:] - second[:2] + 1).prod()))
