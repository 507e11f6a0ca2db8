"""The speaker's face in each sampled frame of a clip: found by MTCNN, followed, cropped and kept as JPEG.

Frames are scaled down before detection until the smallest face of interest (`min_face`, a share of the picture's height) just meets
the detector; crops are cut from the full picture. One thread computes a clip, so its bytes do not depend on the number of cores.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from pipeline.clips.clip import Clip
from pipeline.extract.crop import crop_face, tilt_of_eyes
from pipeline.extract.frames import Frame
from pipeline.extract.video import read_frames
from pipeline.shards.extractor import Extractor, Row, Skip
from pipeline.shards.fingerprint import LATER

if TYPE_CHECKING:
    from pipeline.extract.detector import Detector, Faces

NO_FACE = Skip("no_face")
BATCH_FRAMES, BATCH_BYTES = 16, 64_000_000
"""Most frames that are detected together, and most bytes of theirs in memory (one frame at least)."""
WORTH_SCALING = 0.6
"""Scale from which on the detector's own pyramid is as fast on the full picture."""


@dataclass(frozen=True)
class FacesConfig:
    """Everything that changes the faces of a clip.

    Args:
        fps: frames per second of the sampling, by presentation time.
        image_size: side of the crop (px).
        margin: added to the box, as a share of its sides, half of it at each end.
        square: cut a square by the box's longer side; otherwise the box is stretched to a square, as facenet-pytorch does.
        align: turn the crop until the eyes are level.
        min_face: smallest face to look for, as a share of the picture's height.
        min_face_px: the same in pixels, for small pictures (facenet-pytorch's min_face_size).
        detection_face: larger frames are scaled down for detection until the smallest face is so large (px).
        thresholds: least probability after P-Net, R-Net and O-Net.
        factor: from one level of the detector's pyramid to the next.
        min_probability: of a clip's surest face; a clip below has none, only look-alikes.
        jpeg_quality: of the stored crops, 1 to 100.
        video_stream: which of a file's video streams, from 0; None: its default one, or the best.
    """

    fps: float = 5.0
    image_size: int = 260
    margin: float = 0.1
    square: bool = True
    align: bool = False
    min_face: float = 0.08
    min_face_px: int = 20
    detection_face: int = 24
    thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7)
    factor: float = 0.709
    min_probability: float = 0.9
    jpeg_quality: int = 90
    video_stream: int | None = field(default=None, metadata=LATER)

    def __post_init__(self) -> None:
        rules = {
            "fps > 0": self.fps > 0,
            "image_size ≥ 1": self.image_size >= 1,
            "margin ≥ 0": self.margin >= 0,
            "0 ≤ min_face ≤ 1": 0 <= self.min_face <= 1,
            "min_face_px ≥ 12, P-Net's window": self.min_face_px >= 12,
            "detection_face ≥ 12, P-Net's window": self.detection_face >= 12,
            "thresholds from 0 to 1": all(0 <= threshold <= 1 for threshold in self.thresholds),
            "0 < factor < 1": 0 < self.factor < 1,
            "0 ≤ min_probability ≤ 1": 0 <= self.min_probability <= 1,
            "1 ≤ jpeg_quality ≤ 100": 1 <= self.jpeg_quality <= 100,
            "video_stream ≥ 0": (self.video_stream or 0) >= 0,
        }
        broken = [rule for rule, holds in rules.items() if not holds]
        if broken:
            raise ValueError(f"must hold: {'; '.join(broken)}")


@dataclass(frozen=True)
class Sighting:
    """What was found in one frame.

    Args:
        time: seconds from the clip's start.
        faces: boxes and landmarks in px of the full picture.
        jpegs: the crop of each face, encoded.
    """

    time: float
    faces: "Faces"
    jpegs: list[np.ndarray]


class FaceExtractor(Extractor[Clip]):
    """Crops the main face of each sampled frame.

    Args:
        config: see `FacesConfig`.
        media: the corpus' media folder.
    """

    name = "faces"
    version = 1
    isolated = True

    def __init__(self, config: FacesConfig, media: Path) -> None:
        self.config = config
        self.media = media

    def __getstate__(self) -> dict[str, Any]:
        return {"config": self.config, "media": self.media}

    def source_key(self, source: Clip) -> dict[str, Any]:
        """Return what of a clip its faces depend on."""
        key = {"digest": source.digest, "region": source.region, "start": source.start, "end": source.end}
        return key if source.frame_rate is None else {**key, "frame_rate": source.frame_rate}

    def extract(self, source: Clip) -> Row | Skip:
        """Find, follow and crop the main face of a clip.

        Returns:
            `time` float32 (frames,) s from the clip's start; `found` bool (frames,); of each frame's main face, zeros where none was
            found: `box` float32 (frames, 4) and `landmarks` float32 (frames, 5, 2) in px of the clip's region of the picture,
            `probability` float32 (frames,), `jpeg_size` uint32 (frames,); `jpeg` uint8 (bytes,), the crops one behind the other.

        Raises:
            MediaError: the clip's media is not on this machine.
        """
        from pipeline.extract.tracking import follow

        with _one_thread():
            frames = read_frames(source, self.media, self.config.fps, self.config.video_stream)
            if isinstance(frames, Skip):
                return frames
            sightings = [sighting for batch in _batches(frames) for sighting in self._look(batch)]
        main = follow([sighting.faces for sighting in sightings], [sighting.time for sighting in sightings])
        sure = (sighting.faces.probability[index] for sighting, index in zip(sightings, main, strict=True) if index is not None)
        return _row(sightings, main) if max(sure, default=0.0) >= self.config.min_probability else NO_FACE

    @cached_property
    def _detector(self) -> "Detector":
        from pipeline.extract.detector import Detector

        return Detector(self.config.thresholds, self.config.factor)

    def _look(self, frames: list[Frame]) -> Iterator[Sighting]:
        """Find and crop all faces of frames of one size."""
        height, width = frames[0].picture.shape[:2]
        min_face = max(self.config.min_face * height, self.config.min_face_px)
        scale = self.config.detection_face / min_face
        scale = scale if scale < WORTH_SCALING else 1.0
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = [cv2.resize(frame.picture, size, interpolation=cv2.INTER_AREA) if scale < 1 else frame.picture for frame in frames]
        enlarge = np.array([width, height], np.float32) / np.array(size, np.float32)
        for frame, found in zip(frames, self._detector.detect_in_frames(small, min_face * scale), strict=True):
            faces = found.scaled(enlarge)
            yield Sighting(frame.time, faces, [self._encode(frame.picture, *face) for face in zip(faces.box, faces.landmarks, strict=True)])

    def _encode(self, picture: np.ndarray, box: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Return the JPEG of one face, uint8 (bytes,)."""
        tilt = tilt_of_eyes(landmarks) if self.config.align else 0.0
        crop = crop_face(picture, box, self.config.image_size, self.config.margin, self.config.square, tilt)
        return cv2.imencode(".jpg", cv2.cvtColor(crop, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, self.config.jpeg_quality])[1]


def _batches(frames: Iterable[Frame]) -> Iterator[list[Frame]]:
    """Group frames of one size."""
    batch: list[Frame] = []
    for frame in frames:
        if batch and (frame.picture.shape != batch[0].picture.shape or not _has_room(batch)):
            yield batch
            batch = []
        batch.append(frame)
    if batch:
        yield batch


def _has_room(batch: list[Frame]) -> bool:
    return len(batch) < BATCH_FRAMES and (len(batch) + 1) * batch[0].picture.nbytes <= BATCH_BYTES


def _row(sightings: list[Sighting], main: list[int | None]) -> Row:
    """Lay out the main faces as arrays."""
    found = np.array([index is not None for index in main])
    chosen = [(sighting, index) for sighting, index in zip(sightings, main, strict=True) if index is not None]
    jpegs = [sighting.jpegs[index] for sighting, index in chosen]
    row = {
        "jpeg": np.concatenate(jpegs),
        "jpeg_size": _spread(found, [len(jpeg) for jpeg in jpegs], np.uint32),
        "time": np.array([sighting.time for sighting in sightings], np.float32),
        "found": found,
    }
    for name in ("box", "landmarks", "probability"):
        row[name] = _spread(found, [getattr(sighting.faces, name)[index] for sighting, index in chosen], np.float32)
    return row


def _spread(found: np.ndarray, values: list[Any], dtype: Any) -> np.ndarray:
    """Put the values of the found faces at their frames, zeros elsewhere."""
    spread = np.zeros((len(found), *np.shape(values[0])), dtype)
    spread[found] = values
    return spread


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch and OpenCV compute with the calling thread alone."""
    import torch

    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
