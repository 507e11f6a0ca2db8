"""The family of the matchmap rows: how alike every place of the picture and every moment of the sound are, classified, with a margin loss.

Pizarro, Bekios-Calfa, "Emotion recognition using multimodal matchmap fusion and multi-task learning", ICPRS 2021,
doi 10.1049/icp.2021.1454; similarities from Harwath et al., "Jointly discovering visual objects and spoken words from raw sensory input",
ECCV 2018.
M = ⟨W_v v, W_a a⟩ / √C over one segment of the sound, logits = mean over segments of W vec(M) + b,
L = mean over segments of (criterion + λ · margin loss).
The paper's sample is a segment of 3 s that inherits its utterance's label. `segment_steps` says how many of the audio encoder's steps are
a segment (DAVEnet's 3 s are 10; a last one may be shorter); 0: the whole utterance is one segment, however long. Each is mask-pooled to
`num_steps`. The picture's map is the same for all segments of a clip: it is cached as the average over the clip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.fusion.base import Batch, Criterion, FusionModel, ModelSpec, Output
from pipeline.fusion.layers import masked_adaptive_mean, masked_mean

# Of a matchmap M (…, positions, steps), how alike the picture and the sound are as a whole (Harwath et al., 2018), (…,).
SIMILARITIES: dict[str, Callable[[Tensor], Tensor]] = {
    "sisa": lambda matchmap: matchmap.mean((-2, -1)),  # sum over the image, sum over the audio
    "misa": lambda matchmap: matchmap.amax(-2).mean(-1),  # maximum over the image, sum over the audio
    "sima": lambda matchmap: matchmap.amax(-1).mean(-1),  # sum over the image, maximum over the audio
}


def compatible_impostors(target: Tensor, kind: str, target_sd: float) -> Tensor:
    """Who may be whose impostor, (samples, samples) bool: another class, a disjoint label set, or M further than half a sd away."""
    if kind == "multi_class":
        return target[:, None] != target[None, :]
    if kind == "multi_label":
        empty = target.sum(1) == 0
        return (target @ target.T == 0) & ~(empty[:, None] & empty[None, :])
    return ((target[:, None] - target[None, :]).abs() > 0.5 * target_sd).any(-1)


def draw_impostors(allowed: Tensor) -> tuple[Tensor, Tensor]:
    """One allowed impostor for each sample, all equally likely: index (samples,), and whether it has any, (samples,) bool."""
    score = torch.rand(allowed.shape, device=allowed.device).masked_fill(~allowed, -1.0)
    return score.argmax(1), allowed.any(1)


def cut_segments(x: Tensor, padding_mask: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Cut sequences into consecutive segments, the last one padded; 0 steps: one segment of everything.

    Returns:
        (batch, segments, steps, dim) and the padding mask (batch, segments, steps).
    """
    batch, time, dim = x.shape
    steps = steps or time
    missing = -time % steps
    x, padding_mask = functional.pad(x, (0, 0, 0, missing)), functional.pad(padding_mask, (0, missing), value=True)
    return x.view(batch, -1, steps, dim), padding_mask.view(batch, -1, steps)


@dataclass(frozen=True)
class MatchmapHyperparams:
    """Of the matchmap rows.

    Args:
        dim: C, of the projections.
        num_steps: of the sound in a matchmap.
        segment_steps: of the audio encoder in a segment; 0: the utterance is one segment.
        aux_weight: source 2's λ; 0: no margin loss.
        margin: 1 in source 2 and in Harwath et al.
    """

    dim: int = 128
    num_steps: int = 10
    segment_steps: int = 0
    aux_weight: float = 0.078
    margin: float = 1.0

    def __post_init__(self) -> None:
        if min(self.dim, self.num_steps) < 1 or self.segment_steps < 0:
            raise ValueError("dim and num_steps must be 1 or more, segment_steps 0 or more")


class Matchmap(FusionModel):
    """A subclass names the similarity of the margin loss."""

    Hyperparams: ClassVar[type] = MatchmapHyperparams
    uses: ClassVar[tuple[str, ...]] = ("audio", "video")
    requires: ClassVar[tuple[str, ...]] = ("audio", "video")
    map_modalities: ClassVar[tuple[str, ...]] = ("video",)
    requires_maps: ClassVar[bool] = True
    similarity: ClassVar[str]

    def __init__(self, hyperparams: MatchmapHyperparams, spec: ModelSpec) -> None:
        super().__init__(hyperparams, spec)
        self.hyperparams = hyperparams
        positions, width = spec.maps["video"]
        self.project_video = nn.Linear(width, hyperparams.dim)
        self.project_audio = nn.Linear(spec.dims["audio"], hyperparams.dim)
        self.classifier = nn.Linear(positions * hyperparams.num_steps, spec.num_outputs)

    def forward(self, batch: Batch) -> Output:
        """Each segment's matchmap, flattened and classified, the logits averaged; a map is zero where sound or picture is missing."""
        video = self.project_video(batch.maps["video"])  # (batch, positions, dim)
        audio, real = self.pool_segments(batch)
        both = (batch.present["audio"] & batch.present["video"]).view(-1, 1, 1, 1)
        matchmap = (video.unsqueeze(1) @ audio.mT * self.hyperparams.dim**-0.5).masked_fill(
            ~both, 0.0
        )  # (batch, segments, positions, steps)
        logits = self.classifier(matchmap.flatten(2))  # (batch, segments, outputs)
        extras = {"video": video, "audio": audio, "matchmap": matchmap, "real": real, "segment_logits": logits}
        return Output(masked_mean(logits.float(), ~real), extras=extras)

    def pool_segments(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Projected audio (batch, segments, num_steps, dim), and which segments are real (batch, segments); a silent clip has one."""
        segments, padding_mask = cut_segments(batch.features["audio"], batch.padding_mask["audio"], self.hyperparams.segment_steps)
        pooled = masked_adaptive_mean(segments.flatten(0, 1), padding_mask.flatten(0, 1), self.hyperparams.num_steps)
        real = ~padding_mask.all(-1)
        real[:, 0] = True
        return self.project_audio(pooled.unflatten(0, real.shape)), real

    def loss(self, output: Output, batch: Batch, criteria: Mapping[str, Criterion]) -> Tensor:
        """The task's loss, each segment inheriting its clip's label, and the weighted margin loss."""
        real = output.extras["real"]
        loss = criteria["M"](output.extras["segment_logits"][real], batch.targets["M"][real.nonzero()[:, 0]])
        return loss + self.hyperparams.aux_weight * self.margin_loss(output, batch) if self.hyperparams.aux_weight else loss

    def margin_loss(self, output: Output, batch: Batch) -> Tensor:
        """Mean over segments of Σ max(0, margin + sim(impostor) − sim(own)), with one impostor picture and one impostor sound."""
        similarity, scale = SIMILARITIES[self.similarity], self.hyperparams.dim**-0.5
        real = output.extras["real"] & (batch.present["audio"] & batch.present["video"]).unsqueeze(-1)
        clip = real.nonzero()[:, 0]  # (samples,)
        if not len(clip):
            return output.extras["matchmap"].sum() * 0.0
        video, audio = output.extras["video"][clip], output.extras["audio"][real]
        allowed = compatible_impostors(batch.targets["M"][clip], self.spec.kind, self.spec.target_sd)
        (picture, valid), (sound, _) = draw_impostors(allowed), draw_impostors(allowed)
        own = similarity(output.extras["matchmap"][real])
        with_picture, with_sound = similarity(video[picture] @ audio.mT * scale), similarity(video @ audio[sound].mT * scale)
        margin = self.hyperparams.margin
        hinge: Tensor = functional.relu(margin + with_picture - own) + functional.relu(margin + with_sound - own)
        return hinge[valid].sum() / valid.sum().clamp(min=1)
