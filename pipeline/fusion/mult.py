"""MulT: every modality's sequence is enriched by every other's through directional cross-modal transformers.

Tsai, Bai, Liang, Kolter, Morency, Salakhutdinov, "Multimodal transformer for unaligned multimodal language sequences", ACL 2019.
Z⁰_m = √d · conv_m(x_m) + position; Zⁱ_{n→m} = layer(query Zⁱ⁻¹_{n→m}, keys and values Z⁰_n); Z_m = self-attention([Z_{n→m}; Z_{k→m}]);
logits = W (z + W_2 relu(W_1 z)), z = the last steps of Z_t, Z_a, Z_v.
Differs from the paper: cached embeddings; padding is masked and the last *real* step is read (the code reads the padded sequence's last);
the convolutions pad, so that a clip shorter than the kernel survives; residuals carry the layer's input itself, as in the authors' code
(the paper's equation writes its norm); no mask against the future (the code has one, the paper none); dropout on the embedding is the
text's alone, as in the paper's table (the code drops of every transformer's input too); self-attention reads [Z_{n→m}; Z_{k→m}] as it is
(the code scales it and adds positions anew). A missing source adds nothing, a missing target is left out of z.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from pipeline.fusion.base import Batch, FusionModel, ModelSpec, Output
from pipeline.fusion.cross_attention import PreNormLayer, sinusoidal_positions
from pipeline.fusion.recurrent import last_step


@dataclass(frozen=True)
class MulTHyperparams:
    """The paper's table 5 for IEMOCAP; the self-attention has max(num_layers, 3) layers, dropout on residuals and ReLUs is the code's."""

    dim: int = 40
    num_layers: int = 4
    num_heads: int = 10
    kernel_text: int = 3
    kernel_audio: int = 5
    kernel_video: int = 3
    text_dropout: float = 0.3
    attention_dropout: float = 0.25
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.dim % self.num_heads:
            raise ValueError(f"dim {self.dim} is not a multiple of num_heads {self.num_heads}")
        if any(kernel % 2 == 0 for kernel in (self.kernel_text, self.kernel_audio, self.kernel_video)):
            raise ValueError("kernel_text, kernel_audio and kernel_video must be odd: the convolutions keep the length")


class DirectionalTransformer(nn.Module):
    """Pre-norm layers whose queries are one sequence and whose keys and values are another, or itself; a norm at the end."""

    def __init__(self, dim: int, num_layers: int, hyperparams: MulTHyperparams) -> None:
        super().__init__()
        heads, attention_dropout, dropout = hyperparams.num_heads, hyperparams.attention_dropout, hyperparams.dropout
        self.layers = nn.ModuleList(PreNormLayer(dim, heads, 4 * dim, nn.ReLU, dropout, attention_dropout) for _ in range(num_layers))
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor, source: Tensor, padding_mask: Tensor) -> Tensor:
        """Sequence x (batch, time, dim) in the light of source (batch, steps, dim), whose padding mask it is."""
        for layer in self.layers:
            x = layer(x, source, padding_mask)
        return self.norm(x)

    def read_last(self, x: Tensor, padding_mask: Tensor) -> Tensor:
        """Sequence x (batch, time, dim) in the light of itself, at its last real step (batch, dim); the last layer asks for no other."""
        for layer in self.layers[:-1]:
            x = layer(x, x, padding_mask)
        last = self.layers[-1](last_step(x, padding_mask).unsqueeze(1), x, padding_mask)
        return self.norm(last.squeeze(1))


class MulT(FusionModel):
    """One directional transformer per ordered pair of modalities, one self-attention transformer per modality."""

    Hyperparams: ClassVar[type] = MulTHyperparams
    min_modalities: ClassVar[int] = 2

    def __init__(self, hyperparams: MulTHyperparams, spec: ModelSpec) -> None:
        super().__init__(hyperparams, spec)
        self.hyperparams = hyperparams
        dim, layers = hyperparams.dim, hyperparams.num_layers
        kernel = {"text": hyperparams.kernel_text, "audio": hyperparams.kernel_audio, "video": hyperparams.kernel_video}
        self.convolutions = nn.ModuleDict(
            {m: nn.Conv1d(spec.dims[m], dim, kernel[m], padding=kernel[m] // 2, bias=False) for m in self.modalities}
        )
        self.crossmodal = nn.ModuleDict(
            {f"{n}_to_{m}": DirectionalTransformer(dim, layers, hyperparams) for m in self.modalities for n in self.others(m)}
        )
        width = dim * (len(self.modalities) - 1)
        self.memories = nn.ModuleDict({m: DirectionalTransformer(width, max(layers, 3), hyperparams) for m in self.modalities})
        self.text_dropout, total = nn.Dropout(hyperparams.text_dropout), width * len(self.modalities)
        self.residual = nn.Sequential(nn.Linear(total, total), nn.ReLU(), nn.Dropout(hyperparams.dropout), nn.Linear(total, total))
        self.head = nn.Linear(total, spec.num_outputs)

    def others(self, modality: str) -> list[str]:
        """The modalities that a modality attends to."""
        return [m for m in self.modalities if m != modality]

    def forward(self, batch: Batch) -> Output:
        """Embed, attend across, attend within, read the last real steps."""
        low = {m: self.embed(m, batch) for m in self.modalities}
        z = torch.cat([self.encode(m, low, batch) for m in self.modalities], dim=-1)
        return Output(self.head(z + self.residual(z)))

    def embed(self, modality: str, batch: Batch) -> Tensor:
        """The low-level sequence Z⁰, (batch, time, dim)."""
        x = batch.features[modality]
        x = self.convolutions[modality]((self.text_dropout(x) if modality == "text" else x).mT).mT
        return x * x.shape[-1] ** 0.5 + sinusoidal_positions(x.shape[1], x.shape[2], x.device)

    def encode(self, modality: str, low: dict[str, Tensor], batch: Batch) -> Tensor:
        """What a modality has learned of the others, at its last real step: (batch, dim · others)."""
        others = self.others(modality)
        enriched = [self.crossmodal[f"{n}_to_{modality}"](low[modality], low[n], batch.padding_mask[n]) for n in others]
        memory: DirectionalTransformer = self.memories[modality]  # type: ignore[assignment]
        last = memory.read_last(torch.cat(enriched, dim=-1), batch.padding_mask[modality])
        return last * batch.present[modality].unsqueeze(-1)


Model = MulT
