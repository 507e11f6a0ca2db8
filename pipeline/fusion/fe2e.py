"""FE2E: small convolutional nets of its own on the faces and on the log-mels, trained with everything behind them.

Dai, Cahyawijaya, Liu, Fung, "Multimodal end-to-end sparse model for emotion recognition", NAACL 2021 (its fully end-to-end model).
logits = Σ_m w_m · W_m cls_m; audio, video: cls_m = transformer([CLS; W relu(W' CNN(x_1)); …]) over pictures x_t of 3 × 48 × 48 and pieces
of a log-mel, 1 × mels × 32; text: the encoder's CLS. The loss is on the sum alone.
Differs from the paper: the text's encoder is frozen, and where it has no CLS its steps' mean stands for it; faces are cached crops, scaled
to 48 × 48, and a frame without one is left out (there the middle of the picture); a log-mel in the place of the mel's power, its last piece
filled up with the clip's lowest value, which is silence (there zeros); pictures are scaled by the train part's mean and sd of each channel
(there fixed numbers), and so are log-mels.
Pictures of padding never reach the nets, so batch normalisation sees real ones alone.
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
class FE2EHyperparams(SequenceHyperparams):
    """4 layers of 64 with 4 heads, channels 64 to 512, hidden 1024 in the paper.

    Args:
        picture_dim: channels of the first stage; the three others have twice, four and eight times as many.
        hidden_dim: between the convolutions and the transformer.
    """

    num_layers: int = 4
    picture_dim: int = 64
    hidden_dim: int = 1024

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.picture_dim, self.hidden_dim) < 1:
            raise ValueError("picture_dim and hidden_dim must be at least 1")


def convolve(in_channels: int, channels: int, kernel: int = 3) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU; height and width stay."""
    layers = [nn.Conv2d(in_channels, channels, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def halve() -> nn.MaxPool2d:
    """Largest of each 2 × 2; of an odd side the last one stands alone."""
    return nn.MaxPool2d(2, ceil_mode=True)


class PictureNet(nn.Module):
    """One convolution and five blocks of two, halved four times: (pictures, c, h, w) → (pictures, 8·width, h/16, w/16)."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        first, second, third, last = (width * factor for factor in (1, 2, 4, 8))

        def block(channels: int, out: int) -> nn.Sequential:
            return nn.Sequential(convolve(channels, out), convolve(out, out))

        self.layers = nn.Sequential(
            *(convolve(in_channels, first, kernel=5), halve()),
            *(block(first, first), block(first, first), block(first, second), halve()),
            *(block(second, third), halve()),
            *(block(third, last), halve()),
        )

    def forward(self, x: Tensor) -> Tensor:
        """What is seen where."""
        return self.layers(x)  # type: ignore[no-any-return]


class PictureEncoder(nn.Module):
    """Flattened pictures of a clip, (batch, time, c·h·w), through a net of their own, (batch, time, hidden); zero at padding."""

    def __init__(self, shape: tuple[int, int, int], width: int, hidden: int) -> None:
        super().__init__()
        self.shape, self.hidden = tuple(shape), hidden
        self.net = PictureNet(shape[0], width).to(memory_format=torch.channels_last)  # a third less time on a CPU
        places = 1
        for side in shape[1:]:
            places *= -(-side // 16)
        self.project = nn.Sequential(nn.Flatten(), nn.Linear(8 * width * places, hidden), nn.ReLU())

    def forward(self, x: Tensor, padding_mask: Tensor) -> Tensor:
        """What each picture shows."""
        pictures = x[~padding_mask].view(-1, *self.shape)
        if not len(pictures):
            return x.new_zeros(*x.shape[:2], self.hidden)
        encoded = self.project(self.net(pictures.contiguous(memory_format=torch.channels_last)))
        return encoded.new_zeros(*x.shape[:2], self.hidden).masked_scatter(~padding_mask.unsqueeze(-1), encoded)


class FE2E(FusionModel):
    """A picture net and a CLS-transformer for faces and log-mels each, the text's CLS, late fusion of their logits."""

    Hyperparams: ClassVar[type] = FE2EHyperparams
    min_modalities: ClassVar[int] = 2
    feature_modalities: ClassVar[tuple[str, ...]] = ("audio", "video")
    summarised: ClassVar[tuple[str, ...]] = ("text",)

    def __init__(self, hyperparams: FE2EHyperparams, spec: ModelSpec) -> None:
        super().__init__(hyperparams, spec)
        seen = [m for m in self.modalities if m in self.feature_modalities]
        self.pictures = nn.ModuleDict({m: PictureEncoder(spec.shapes[m], hyperparams.picture_dim, hyperparams.hidden_dim) for m in seen})
        self.encoders = nn.ModuleDict({m: SequenceEncoder(hyperparams.hidden_dim, hyperparams) for m in seen})
        widths = {m: hyperparams.dim if m in seen else spec.dims[m] for m in self.modalities}
        self.heads = nn.ModuleDict({m: nn.Linear(width, spec.num_outputs) for m, width in widths.items()})
        self.fusion = WeightedVotes(len(self.modalities))

    def forward(self, batch: Batch) -> Output:
        """The CLS of each modality, its logits, their weighted sum."""
        return Output(self.fusion({m: self.heads[m](self.encode(m, batch)) for m in self.modalities}, batch.present))

    def encode(self, modality: str, batch: Batch) -> Tensor:
        """A modality in one vector, (batch, width)."""
        x, padding_mask = batch.features[modality], batch.padding_mask[modality]
        if modality not in self.pictures:
            return summary(x, padding_mask, modality in self.spec.leads_with_cls)
        return self.encoders[modality](self.pictures[modality](x, padding_mask), padding_mask)[0][:, 0]


Model = FE2E
