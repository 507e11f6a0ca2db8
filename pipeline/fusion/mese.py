"""MESE: the text says which places of the picture and which moments of the sound are looked at; the others are dropped.

Dai, Cahyawijaya, Liu, Fung, "Multimodal end-to-end sparse model for emotion recognition", NAACL 2021.
a = softmax_x(w · tanh(W_x x + W_y y)) with y the text's CLS; keep the smallest set of places whose a reaches `threshold` together;
logits = Σ_m w_m · logits_m, of the text's CLS and of transformers over what was kept.
Differs from the paper: it works on the cached, un-pooled map of the picture (its frames where there is none) and on the sound's steps, not
between the stages of trainable sparse CNNs, so there is one attention a modality, over the whole clip; kept places are weighted by a,
renormalised to a mean of 1 (there they are unweighted and a is detached, so that its layers never learn).
Needs the text; a clip without it is attended to by x alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from pipeline.fusion.base import Batch, FusionModel, ModelSpec, Output
from pipeline.fusion.late_fusion import WeightedVotes
from pipeline.fusion.layers import SequenceEncoder, SequenceHyperparams
from pipeline.fusion.subnets import summary


@dataclass(frozen=True)
class MESEHyperparams(SequenceHyperparams):
    """attention_dim: 64 in the paper's first stage; threshold: .8 in its README, .9 in its code's defaults; 4 layers of 64 there."""

    num_layers: int = 4
    attention_dim: int = 64
    threshold: float = 0.8

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.threshold <= 1:
            raise ValueError(f"threshold is a share of the attention, above 0 and up to 1, not {self.threshold}")


def select_nucleus(weights: Tensor, threshold: float) -> Tensor:
    """The smallest set of largest weights (batch, places) that sum to the threshold or more, (batch, places) bool."""
    ranked, order = weights.sort(dim=1, descending=True, stable=True)
    before = ranked.cumsum(1) - ranked  # the sum of what ranks higher
    return torch.zeros_like(weights, dtype=torch.bool).scatter(1, order, before < threshold)


class TextGuidedAttention(nn.Module):
    """How much of its attention a text pays to each place, of which the nucleus is kept."""

    def __init__(self, in_dim: int, text_dim: int, dim: int, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold
        self.place, self.text, self.score = nn.Linear(in_dim, dim), nn.Linear(text_dim, dim, bias=False), nn.Linear(dim, 1, bias=False)

    def forward(self, x: Tensor, text: Tensor, padding_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Places (batch, places, in_dim), a text (batch, text_dim): their weights, of mean 1 over those kept, and which are dropped."""
        score = self.score(torch.tanh(self.place(x) + self.text(text).unsqueeze(1))).squeeze(-1).float()
        weights = score.masked_fill(padding_mask, torch.finfo(score.dtype).min).softmax(1)
        kept = select_nucleus(weights.detach(), self.threshold) & ~padding_mask
        weights = weights * kept
        return weights * kept.sum(1, keepdim=True) / weights.sum(1, keepdim=True).clamp(min=1e-9), ~kept


class MESE(FusionModel):
    """Text-guided sparse attention to the picture and the sound, transformers over what is kept, late fusion."""

    Hyperparams: ClassVar[type] = MESEHyperparams
    requires: ClassVar[tuple[str, ...]] = ("text",)
    min_modalities: ClassVar[int] = 2
    map_modalities: ClassVar[tuple[str, ...]] = ("video",)
    summarised: ClassVar[tuple[str, ...]] = ("text",)

    def __init__(self, hyperparams: MESEHyperparams, spec: ModelSpec) -> None:
        super().__init__(hyperparams, spec)
        self.mapped = [m for m in self.map_modalities if m in spec.maps and m in self.modalities]
        widths = {m: spec.maps[m][1] if m in self.mapped else spec.dims[m] for m in self.modalities if m != "text"}
        text, dim, threshold = spec.dims["text"], hyperparams.attention_dim, hyperparams.threshold
        self.norms = nn.ModuleDict({m: nn.LayerNorm(widths[m]) for m in self.mapped})  # sequences arrive standardised, maps do not
        self.attention = nn.ModuleDict({m: TextGuidedAttention(width, text, dim, threshold) for m, width in widths.items()})
        self.encoders = nn.ModuleDict({m: SequenceEncoder(width, hyperparams) for m, width in widths.items()})
        self.heads = nn.ModuleDict({m: nn.Linear(text if m == "text" else hyperparams.dim, spec.num_outputs) for m in self.modalities})
        self.fusion = WeightedVotes(len(self.modalities))

    def forward(self, batch: Batch) -> Output:
        """The text's CLS, what it selects of the others, and their votes."""
        text = summary(batch.features["text"], batch.padding_mask["text"], "text" in self.spec.leads_with_cls)
        vectors = {m: text if m == "text" else self.encode(m, text, batch) for m in self.modalities}
        return Output(self.fusion({m: self.heads[m](vectors[m]) for m in self.modalities}, batch.present))

    def encode(self, modality: str, text: Tensor, batch: Batch) -> Tensor:
        """The CLS over the places of a modality that the text selects, (batch, dim)."""
        x, padding_mask = batch.features[modality], batch.padding_mask[modality]
        if modality in self.mapped:
            x = self.norms[modality](batch.maps[modality])
            padding_mask = (~batch.present[modality]).unsqueeze(1).expand(x.shape[:2])
        weights, dropped = self.attention[modality](x, text, padding_mask)
        return self.encoders[modality](x * weights.unsqueeze(-1).to(x.dtype), dropped)[0][:, 0]


Model = MESE
