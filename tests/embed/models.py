"""Tiny models in the hub's layout, and artifacts of every kind of network with random weights."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from pipeline.embed.embedding import EmbeddingExtractor
from pipeline.embed.encoder import Encoder, EncoderConfig, Option, write_encoder
from pipeline.embed.network import EncoderNetwork, read_kind
from pipeline.shards.extractor import FeatureRow, Row
from pipeline.shards.shard import ShardRow
from tests.conftest import make_features
from tests.embed.rows import make_faces, make_logmel, make_tokens


def save_bert(folder: Path) -> Path:
    """A BERT of two layers."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 64}
    BertModel(BertConfig(vocab_size=60, **sizes)).save_pretrained(folder)
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n")
    return folder


def save_whisper(folder: Path) -> Path:
    """A Whisper that hears one second at a time."""
    from transformers import WhisperConfig, WhisperModel

    torch.manual_seed(0)
    sizes = {"d_model": 16, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 32}
    sizes |= {"decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 32, "vocab_size": 50, "max_source_positions": 50}
    tokens = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    WhisperModel(WhisperConfig(**sizes, **tokens)).save_pretrained(folder)
    return folder


def save_ast(folder: Path) -> Path:
    """An Audio Spectrogram Transformer of one second."""
    from transformers import ASTConfig, ASTModel

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "max_length": 100}
    ASTModel(ASTConfig(**sizes)).save_pretrained(folder)
    return folder


def save_timm(folder: Path) -> Path:
    """A timm network with its classifier, as timm's repositories hold it."""
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(0)
    folder.mkdir(parents=True)
    save_file(timm.create_model("lcnet_035", num_classes=7).state_dict(), folder / "model.safetensors")
    config = {"architecture": "lcnet_035", "num_classes": 7, "pretrained_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@dataclass(frozen=True)
class Case:
    """A kind of network in a small size, and rows of different lengths for it."""

    modality: str
    network: str
    rows: list[Row]
    options: dict[str, Option] = field(default_factory=dict)
    save: Callable[[Path], Path] | None = None

    @property
    def id(self) -> str:
        """A readable name."""
        return f"{self.network}-{self.save.__name__.removeprefix('save_') if self.save else self.options.get('model', '')}".strip("-")


def _faces() -> list[Row]:
    return [make_faces(n, missing, seed=n, size=80) for n, missing in ((3, 1), (18, 0), (1, 2), (6, 3))]


def _logmels(n_mels: int) -> list[Row]:
    return [make_logmel(frames, n_mels, seed=frames) for frames in (230, 700, 40, 101)]


CASES = [
    Case("video", "timm_image", _faces(), {"model": "lcnet_035", "image_size": 48}),
    Case("video", "timm_image", _faces(), {"model": "resnet10t", "image_size": 64}),
    Case("video", "video3d", _faces(), {"model": "r3d_18", "image_size": 32}),
    Case("video", "video3d", _faces(), {"model": "mc3_18", "image_size": 32, "num_frames": 4}),
    Case("audio", "davenet", _logmels(40), {"embed_dim": 32}),
    Case("audio", "logmel_functionals", _logmels(40)),
    Case("audio", "vggish", _logmels(64)),
    Case("audio", "hf_audio", _logmels(80), save=save_whisper),
    Case("audio", "hf_audio", _logmels(128), {"pool": 2, "mean": -4.27, "std": 4.57}, save=save_ast),
    Case("text", "text", [make_tokens(n, seed=n) for n in (5, 30, 12, 3)], save=save_bert),
]


def calibrate(network: EncoderNetwork, rows: list[Row]) -> dict[str, torch.Tensor]:
    """Random weights whose batch norms know the rows, so that the signal does not vanish."""
    module = network.build().train()
    for layer in module.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            layer.momentum = None
    units = [unit for row in rows for unit in network.prepare(row)]  # type: ignore[union-attr]
    with torch.no_grad():
        network.encode(module, network.collate(units), False)
    return dict(module.state_dict())


def make_artifact(case: Case, folder: Path) -> EncoderConfig:
    """Write the case's artifact with random weights; returns its row."""
    torch.manual_seed(1)
    kind = read_kind(case.network)
    if case.save is not None:
        weights = kind.read_folder(case.options, case.save(folder / "hub"))
        architecture, state = weights.architecture, weights.state
    else:
        architecture = kind.describe(case.options)
        state = calibrate(kind(case.options, architecture), case.rows)
    write_encoder(Encoder(case.modality, case.network, case.options, architecture, {"source": "test"}, "f" * 40), state, folder)
    return EncoderConfig(case.modality, "none", case.network, case.options, map=case.modality == "video")  # type: ignore[arg-type]


def make_extractor(case: Case, folder: Path, **changes: Any) -> EmbeddingExtractor:
    """An extractor of the case's artifact, which it writes first."""
    return EmbeddingExtractor(folder, make_artifact(case, folder), {}, "cpu", **{"threads": 2, "batch_size": 3, **changes})


def make_upstream(case: Case, folder: Path) -> Path:
    """The case's rows in a folder of two shards."""
    return make_features(folder, [ShardRow(row.clip_id, row.fingerprint, row.arrays) for row in make_sources(case.rows)])


def make_sources(rows: list[Row]) -> list[FeatureRow]:
    """Rows as an extractor reads them."""
    return [FeatureRow(f"clip-{place}", f"{place:040d}", row) for place, row in enumerate(rows)]
