"""A clip: one labelled stretch of one recording."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from pipeline.errors import ManifestError

Label = float | str | None


@dataclass(frozen=True, slots=True)
class Clip:
    """One labelled stretch of one recording, as a line of clips.jsonl holds it.

    Args:
        id: unique in its corpus.
        media: path below the corpus' media folder: a video file, a sound file, a folder of frames, or its pictures of a name
            (`image_L_*.jpg`, the star in the place of the frame's number); None where the corpus has no media.
        audio: a sound file beside the video, below the same folder; None: the sound of `media`.
        audio_start: seconds from the start of that sound file, where its clock is not that of `media`; None: `start`.
        channel: which channel of the sound, from 0; None: all of them mixed.
        region: left, top, right, bottom of the speaker's part of the picture, as shares of its size.
        frame_rate: frames per second (Hz) of a folder of frames.
        start: seconds from the start of the media.
        end: seconds from the start of the media; None: to its end.
        text: the transcript.
        speaker: who speaks.
        group: the recording that clips have in common.
        labels: name to value; a class name is a string, a missing label None.
        digest: of the media's bytes, nothing else.
        audio_digest: of the separate sound file's bytes.
    """

    id: str
    media: str | None = None
    audio: str | None = None
    audio_start: float | None = None
    channel: int | None = None
    region: tuple[float, float, float, float] | None = None
    frame_rate: float | None = None
    start: float = 0.0
    end: float | None = None
    text: str | None = None
    speaker: str | None = None
    group: str | None = None
    labels: Mapping[str, Label] = field(default_factory=dict)
    digest: str | None = None
    audio_digest: str | None = None

    def __post_init__(self) -> None:
        if not self.id or not self.id.isprintable() or len(self.id.encode()) > 255:
            raise ManifestError(f"clip id {self.id[:80]!r} must be 1 to 255 bytes of printable text")
        for name in (self.media, self.audio):
            if name is not None and (name.startswith("/") or ".." in name.split("/")):
                raise ManifestError(f"clip {self.id}: {name!r} must be a path below the media folder")
        if not (math.isfinite(self.start) and self.start >= 0):
            raise ManifestError(f"clip {self.id}: start {self.start} must be a number of seconds ≥ 0")
        if self.audio_start is not None and not (self.audio and math.isfinite(self.audio_start) and self.audio_start >= 0):
            raise ManifestError(f"clip {self.id}: audio_start {self.audio_start} must be a number of seconds ≥ 0 in a separate sound file")
        if self.end is not None and not (math.isfinite(self.end) and self.end > self.start):
            raise ManifestError(f"clip {self.id}: end {self.end} must come after its start {self.start}")
        if self.frame_rate is not None and not (math.isfinite(self.frame_rate) and self.frame_rate > 0):
            raise ManifestError(f"clip {self.id}: frame_rate {self.frame_rate} must be a number above 0")
        if self.region is not None and not all(map(math.isfinite, self.region)):
            raise ManifestError(f"clip {self.id}: region {self.region} must be four shares of the picture")

    @property
    def recording(self) -> str:
        """The media that the clip is cut from, or its id where it has none: what decides its shard."""
        return self.media or self.audio or self.id

    @property
    def audio_stretch(self) -> tuple[float, float | None]:
        """Where the clip starts and ends in its sound (s); an end of None: the sound's."""
        begin = self.start if self.audio_start is None else self.audio_start
        return begin, None if self.end is None else begin + self.end - self.start

    def to_json(self) -> dict[str, Any]:
        """Return the clip as a JSON object, without the fields that say nothing."""
        return {name: value for name in _TYPES if (value := getattr(self, name)) not in (None, {})}

    @classmethod
    def from_json(cls, values: Any) -> "Clip":
        """Build a clip from a JSON object.

        Raises:
            ManifestError: a field is unknown, missing or ill-typed.
        """
        if not isinstance(values, dict) or not isinstance(values.get("id"), str):
            raise ManifestError(f"a clip must be a JSON object with a text `id`, not {str(values)[:80]!r}")
        for name, value in values.items():
            if name not in _TYPES or not isinstance(value, _TYPES[name]) or isinstance(value, bool):
                raise ManifestError(f"clip {values['id']}: field {name!r} is unknown or ill-typed: {str(value)[:80]!r}")
        region = values.get("region")
        if region is not None:
            if len(region) != 4 or not all(isinstance(edge, (int, float)) for edge in region):
                raise ManifestError(f"clip {values['id']}: region must be four numbers, not {region!r}")
            values = {**values, "region": tuple(region)}
        bad = [name for name, label in values.get("labels", {}).items() if not isinstance(label, (int, float, str, type(None)))]
        if bad:
            raise ManifestError(f"clip {values['id']}: label {bad[0]!r} must be a number or text")
        return cls(**values)


_TYPES: dict[str, tuple[type, ...]] = {f.name: (str,) for f in fields(Clip)} | {
    "channel": (int,),
    "region": (list, tuple),
    "frame_rate": (int, float),
    "start": (int, float),
    "audio_start": (int, float),
    "end": (int, float),
    "labels": (dict,),
}
