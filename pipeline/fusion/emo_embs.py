"""EmoEmbs: a clip is compared with the vectors of the emotions' words.

Dai, Liu, Yu, Fung, "Modality-transferable emotion embeddings for low-resource multimodal emotion recognition", AACL 2020.
logit_c = Σ_m w_m · h_m · (A_m e_c + b_m), with e_c the frozen vector of emotion c's word, h_m of a BiLSTM, and A the identity for the text.
Regression: the score of "positive" less that of "negative", in which b_m cancels, so it is left out.
Differs from the paper: e_c is the mean of the word's tokens from the task's own text encoder (there GloVe, which `glove` brings back), so
the text's BiLSTM is as wide as that; cached embeddings; h_m is the sum of both directions' final states (there of their outputs at the
last step, where the way back has read a single step).
The vectors are buffers: a saved model carries them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from pipeline.fusion.base import Batch, FusionModel, ModelSpec, Output
from pipeline.fusion.late_fusion import WeightedVotes
from pipeline.fusion.recurrent import BiLSTM


@dataclass(frozen=True)
class EmoEmbsHyperparams:
    """2 layers, dropout 0.15, widths 200 (audio) and 100 (video), the vectors' 300 for the text: as published.

    Args:
        audio_dim: of a direction's states.
        video_dim: likewise.
        num_layers: of each BiLSTM.
        dropout: between its layers.
        glove: a text file of word vectors, one word a line, in the place of the task's text encoder; none: "".
    """

    audio_dim: int = 200
    video_dim: int = 100
    num_layers: int = 2
    dropout: float = 0.15
    glove: str = ""

    def __post_init__(self) -> None:
        if min(self.audio_dim, self.video_dim, self.num_layers) < 1 or not 0 <= self.dropout < 1:
            raise ValueError("audio_dim, video_dim and num_layers must be at least 1, dropout a probability from 0 to below 1")


class SummedBiLSTM(nn.Module):
    """Layers of BiLSTM; the sum of both directions' final states, (batch, time, in_dim) → (batch, dim), zero for a clip without a step."""

    def __init__(self, in_dim: int, dim: int, num_layers: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(BiLSTM(2 * dim if layer else in_dim, dim) for layer in range(num_layers))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, padding_mask: Tensor) -> Tensor:
        """What the last layer has read in the end."""
        states, final = self.layers[0](x, padding_mask)
        for layer in self.layers[1:]:
            states, final = layer(self.dropout(states), padding_mask)
        ahead, back = final.chunk(2, dim=-1)
        return ahead + back  # type: ignore[no-any-return]


class EmoEmbs(FusionModel):
    """A BiLSTM per modality, its product with each word's vector, late fusion of the products."""

    Hyperparams: ClassVar[type] = EmoEmbsHyperparams
    reads_label_vectors: ClassVar[bool] = True

    def __init__(self, hyperparams: EmoEmbsHyperparams, spec: ModelSpec) -> None:
        super().__init__(hyperparams, spec)
        widths = {"text": spec.label_dim, "audio": hyperparams.audio_dim, "video": hyperparams.video_dim}
        self.compared = spec.kind == "regression"  # the score of one word less that of another
        self.register_buffer("words", torch.zeros(2 if self.compared else spec.num_outputs, spec.label_dim))
        layers = (hyperparams.num_layers, hyperparams.dropout)
        self.recurrent = nn.ModuleDict({m: SummedBiLSTM(spec.dims[m], widths[m], *layers) for m in self.modalities})
        mapped = [m for m in self.modalities if m != "text"]
        self.bridge = nn.ModuleDict({m: nn.Linear(spec.label_dim, widths[m], bias=not self.compared) for m in mapped})
        self.fusion = WeightedVotes(len(self.modalities))

    def set_label_vectors(self, vectors: Tensor) -> None:
        """Take the words' vectors, (outputs, label_dim), regression: of positive and negative, (2, label_dim)."""
        self.get_buffer("words").copy_(vectors)

    def forward(self, batch: Batch) -> Output:
        """Each modality's product with each word, and their weighted sum."""
        return Output(self.fusion({m: self.score(m, batch) for m in self.modalities}, batch.present))

    def score(self, modality: str, batch: Batch) -> Tensor:
        """How well a modality goes with each output, (batch, outputs)."""
        heard = self.recurrent[modality](batch.features[modality], batch.padding_mask[modality])
        words = self.get_buffer("words")
        words = self.bridge[modality](words) if modality in self.bridge else words
        scores: Tensor = heard @ words.T
        return scores[:, :1] - scores[:, 1:] if self.compared else scores


Model = EmoEmbs
