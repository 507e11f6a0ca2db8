"""The artifact: strict rows, whole files, the same bytes, a digest of what can change an embedding."""

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pipeline.embed.encoder import Encoder, EncoderConfig, check_weights, list_folds, read_encoder, read_weights, write_encoder
from pipeline.errors import CheckpointError, ParamsError
from pipeline.params import build

ENCODER = Encoder(
    "audio", "davenet", {"embed_dim": 16}, {}, {"source": "fit"}, "f" * 40, ("a", "b"), "all", ({"epoch": 1, "selection": 0.5},)
)
STATE = {"b": torch.arange(6.0).view(2, 3).t(), "a": torch.ones(2, dtype=torch.int64)}


def test_an_encoder_reads_back_as_it_was_written(tmp_path: Path) -> None:
    written = write_encoder(ENCODER, STATE, tmp_path)
    assert read_encoder(tmp_path) == written == replace(ENCODER, digest=written.digest)
    assert torch.equal(read_weights(tmp_path / "model.safetensors")["b"], STATE["b"])


def test_the_same_encoder_gives_the_same_bytes(tmp_path: Path) -> None:
    write_encoder(ENCODER, STATE, tmp_path / "one")
    write_encoder(ENCODER, dict(reversed(STATE.items())), tmp_path / "two")
    assert [p.read_bytes() for p in sorted((tmp_path / "one").iterdir())] == [p.read_bytes() for p in sorted((tmp_path / "two").iterdir())]


def test_the_digest_covers_network_and_weights_and_not_where_they_come_from(tmp_path: Path) -> None:
    digest = write_encoder(ENCODER, STATE, tmp_path).digest
    assert write_encoder(replace(ENCODER, clips=("c",), fingerprint="0" * 40), STATE, tmp_path).digest == digest
    assert write_encoder(replace(ENCODER, options={"embed_dim": 32}), STATE, tmp_path).digest != digest
    assert write_encoder(ENCODER, {**STATE, "a": torch.zeros(2)}, tmp_path).digest != digest


def test_weights_of_another_encoder_are_noticed(tmp_path: Path) -> None:
    encoder = write_encoder(ENCODER, STATE, tmp_path / "one")
    write_encoder(ENCODER, {"a": torch.zeros(2)}, tmp_path / "two")
    (tmp_path / "one" / "model.safetensors").write_bytes((tmp_path / "two" / "model.safetensors").read_bytes())
    with pytest.raises(CheckpointError, match="run prepare_encoder again"):
        check_weights(encoder, tmp_path / "one")


def test_a_pickle_that_calls_itself_safetensors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(pickle.dumps(STATE))
    with pytest.raises(CheckpointError, match="a pickle is never loaded"):
        read_weights(path)


def test_a_config_that_is_no_encoder_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(CheckpointError, match="does not describe an encoder"):
        read_encoder(tmp_path)


def test_folds_are_listed_by_their_numbers(tmp_path: Path) -> None:
    for k in (10, 2, 0):
        write_encoder(ENCODER, STATE, tmp_path / f"fold-{k}")
    assert list_folds(tmp_path) == ["fold-0", "fold-2", "fold-10"]
    assert list_folds(tmp_path / "fold-0") == [""]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "hub", "repo": "a/b"}, "revision"),
        ({"source": "package", "package": "a", "path": "b"}, "package"),
        ({"source": "none", "map": True}, "map"),
        ({"source": "none", "precison": "bf16"}, "did you mean `precision`"),
        ({"source": "fit", "fit": {"task": "t", "epochs": 0}}, "epochs"),
        ({"source": "fit", "fit": {"task": "t", "learning_rte": 1}}, "did you mean `learning_rate`"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        build(EncoderConfig, {"modality": "audio", "network": "davenet", **changes}, "encoders.x")
