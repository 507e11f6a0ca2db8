"""What can be chosen about the built-in corpus: the section `demo` of params.yaml."""

from collections.abc import Mapping
from dataclasses import dataclass

MODALITIES = ("text", "audio", "video")
PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class DemoConfig:
    """Size, cast, format and difficulty of the built-in corpus.

    Attributes:
        seed: every clip is drawn from it and from the clip's number.
        num_clips: number of clips; raising it adds clips and changes none.
        speakers: number of speakers in each part of the split.
        shares: share of the clips in each part; they sum to 1.
        recordings: recordings (video folders) of each speaker.
        width: picture's width in px, even.
        height: picture's height in px, even.
        fps: frames per second.
        sampling_rate: of the sound, in Hz.
        min_duration: of a clip, in seconds.
        max_duration: of a clip, in seconds.
        no_emotion: share of the clips without an emotion.
        two_emotions: share of the clips with two emotions.
        hide: for each modality, the probability that it shows nothing of the emotion.
        contradict: for each modality, the probability that it shows the opposite of the emotion.
    """

    seed: int
    num_clips: int
    speakers: dict[str, int]
    shares: dict[str, float]
    recordings: int
    width: int
    height: int
    fps: int
    sampling_rate: int
    min_duration: float
    max_duration: float
    no_emotion: float
    two_emotions: float
    hide: dict[str, float]
    contradict: dict[str, float]

    def __post_init__(self) -> None:
        """Refuse what cannot be rendered.

        Raises:
            ValueError: naming the key, what is expected of it and its value.
        """
        _check_keys("speakers", self.speakers, PARTS)
        _check_keys("shares", self.shares, PARTS)
        _check_keys("hide", self.hide, MODALITIES)
        _check_keys("contradict", self.contradict, MODALITIES)
        counts = (self.num_clips, self.recordings, *self.speakers.values(), self.fps)
        _require(min(counts) >= 1, "num_clips, recordings, speakers and fps must be at least 1")
        _require(abs(sum(self.shares.values()) - 1) < 1e-6, f"shares must sum to 1, not {sum(self.shares.values()):g}")
        for side in (self.width, self.height):
            _require(side % 2 == 0 and side >= 64, f"width and height must be even and at least 64 px, not {side}")
        _require(self.sampling_rate >= 8000, f"sampling_rate must be at least 8000 Hz, not {self.sampling_rate}")
        durations = (self.min_duration, self.max_duration)
        _require(0.5 <= self.min_duration <= self.max_duration, f"min_duration and max_duration must rise from 0.5 s, not be {durations}")
        _require(_are_shares(self.no_emotion, self.two_emotions), "no_emotion and two_emotions must be shares that sum to 1 at most")
        for m in MODALITIES:
            _require(_are_shares(self.hide[m], self.contradict[m]), f"hide and contradict of {m} must be shares that sum to 1 at most")

    @property
    def num_speakers(self) -> int:
        """Speakers in all parts together."""
        return sum(self.speakers.values())


def _check_keys(name: str, values: Mapping[str, float], keys: tuple[str, ...]) -> None:
    _require(set(values) == set(keys), f"{name} must have the keys {', '.join(keys)}, not {', '.join(sorted(values)) or 'none'}")


def _are_shares(*values: float) -> bool:
    return min(values) >= 0 and sum(values) <= 1


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)
