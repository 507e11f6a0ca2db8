"""The section `bench` of params.yaml: how the clips of the second synthetic corpus come about."""

from dataclasses import dataclass, replace

from pipeline.clips.splits import PARTS

CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
NEUTRAL = CLASSES.index("neutral")
NEGATIVE = tuple(CLASSES.index(name) for name in ("anger", "disgust", "fear", "sadness"))
POSITIVE = CLASSES.index("happiness")
KINDS = ("congruent", "hidden", "sarcasm", "mask")
MODALITIES = ("text", "audio", "video")


@dataclass(frozen=True)
class BenchConfig:
    """What the corpus is made of.

    Args:
        seed: of everything.
        clips: part of the split to its number of clips.
        speakers: part to its number of speakers.
        shares: kind of clip to its probability. congruent: text, audio and video show the class; hidden: one of them shows neutral, with a
            cue that says so; sarcasm: the text shows the opposite valence, the others neutral, the audio with a marker; mask: the video
            shows the opposite with a cue, the text neutral, the audio the class.
        hidden: modality to the probability that it is the one that hides.
        marker_elsewhere: share of the other clips that carry the marker of sarcasm too.
        accuracy: modality to the accuracy with which what it shows is recovered from it alone, by the nearest code.
        weak_accuracy: the same of a modality where the claims want it weakened.
        label_noise: share of the train part's labels M that are drawn at random.
        speaker_effect: standard deviation, over speakers, of what is added to all of a speaker's clips; the noise of a code has 1.
        nuisance: dimensions that say nothing.
        cue: height of a cue and of the marker above their noise.
        background: standard deviation of the noise at places where the code does not sit.
        text_steps: of a text's sequence, each of which carries the code.
        audio_steps: of an audio sequence, one of which carries the code.
        frames: of a video's sequence, each of which carries the code.
        positions: of a video's map, one of which carries the code.
    """

    seed: int
    clips: dict[str, int]
    speakers: dict[str, int]
    shares: dict[str, float]
    hidden: dict[str, float]
    marker_elsewhere: float
    accuracy: dict[str, float]
    weak_accuracy: float
    label_noise: float
    speaker_effect: float
    nuisance: int
    cue: float
    background: float
    text_steps: int
    audio_steps: int
    frames: int
    positions: int

    def __post_init__(self) -> None:
        for name, keys in (("clips", PARTS), ("speakers", PARTS), ("shares", KINDS), ("hidden", MODALITIES), ("accuracy", MODALITIES)):
            if set(getattr(self, name)) != set(keys):
                raise ValueError(f"`{name}` needs the keys {', '.join(keys)}, not {', '.join(getattr(self, name))}")
        for name in ("shares", "hidden"):
            if abs(sum(getattr(self, name).values()) - 1) > 1e-6 or min(getattr(self, name).values()) < 0:
                raise ValueError(f"`{name}` must be probabilities that sum to 1")
        if not all(1 / len(CLASSES) < value < 1 for value in (*self.accuracy.values(), self.weak_accuracy)):
            raise ValueError(f"an accuracy must lie between chance, 1/{len(CLASSES)}, and 1")
        if not (0 <= self.label_noise < 1 and 0 <= self.marker_elsewhere < 1):
            raise ValueError("label_noise and marker_elsewhere must be shares from 0 to below 1")
        if min(*self.clips.values(), *self.speakers.values(), self.text_steps, self.audio_steps, self.frames, self.positions) < 1:
            raise ValueError("there must be one or more of clips, speakers, steps, frames and positions")

    def weaken(self, modality: str) -> "BenchConfig":
        """Return the same corpus with one modality that shows less."""
        return replace(self, accuracy={**self.accuracy, modality: self.weak_accuracy})
