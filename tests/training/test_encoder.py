"""The fit: it learns, it sees only what it may, it resumes, it is refitted when and only when its train part changed."""

from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.embed.encoder import EncoderConfig, read_encoder
from pipeline.errors import PipelineError
from pipeline.params import read_row
from pipeline.training import encoder as fitting
from pipeline.training.encoder_artifacts import Options, Sources, prepare_encoder
from tests.training.encoder_project import Project, audio_row, video_row


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def prepare(project: Project, name: str = "audio", out: str = "encoder", **options: Any) -> dict[str, Any]:
    """Prepare an encoder of the project."""
    row = read_row(project.params, "encoders", name, EncoderConfig, wiring=("corpus", "features"))
    features = project.faces if name == "video" else project.logmels
    sources = Sources(project.params, project.clips, features)
    return prepare_encoder(name, row, sources, project.root / out, Options("cpu", 1, **options))


def read_bytes(folder: Path) -> dict[str, bytes]:
    """All files of an artifact."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("name", ["audio", "video"])
def test_a_fit_learns_what_the_features_show(tmp_path: Path, name: str) -> None:
    project = Project(tmp_path)
    project.rows = {"audio": audio_row(epochs=6, units=2), "video": video_row(epochs=6, units=6)}
    project.write()
    prepare(project, name)
    history = read_encoder(tmp_path / "encoder").history
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    assert max(record["selection"] for record in history) > 1.5


def test_an_encoder_sees_no_clip_of_valid_or_test(tmp_path: Path) -> None:
    project = Project(tmp_path)
    prepare(project)
    assert set(read_encoder(tmp_path / "encoder").clips) == set(project.fold(0).train)


def test_half_a_share_leaves_speakers_to_the_fusion(tmp_path: Path) -> None:
    project = Project(tmp_path, 96)
    project.rows["audio"] = audio_row(fit_share="half", epochs=1)
    project.write()
    prepare(project)
    encoder = read_encoder(tmp_path / "encoder")
    train = set(project.fold(0).train)
    assert encoder.fit_share == "half"
    assert set(encoder.clips) < train
    assert 0.3 <= len(encoder.clips) / len(train) <= 0.7
    speakers = {int(i[4:]) % 8 for i in encoder.clips}
    assert speakers.isdisjoint({int(i[4:]) % 8 for i in train - set(encoder.clips)})


def test_two_fits_of_the_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    project = Project(tmp_path)
    prepare(project, "video", "one")
    prepare(project, "video", "two")
    assert read_bytes(tmp_path / "one") == read_bytes(tmp_path / "two")


@pytest.mark.parametrize("name", ["audio", "video"])
def test_an_interrupted_fit_resumes_and_ends_with_the_same_bytes(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project(tmp_path)
    prepare(project, name, "undisturbed")
    train, epochs = fitting.EncoderFit._train, []

    def die_in_the_third(self: Any, epoch: int, pool: Any) -> float:
        epochs.append(epoch)
        if epochs == [1, 2, 3]:
            raise KeyboardInterrupt
        return train(self, epoch, pool)

    monkeypatch.setattr(fitting.EncoderFit, "_train", die_in_the_third)
    with pytest.raises(KeyboardInterrupt):
        prepare(project, name)
    prepare(project, name)
    assert epochs == [1, 2, 3, 3]
    assert read_bytes(tmp_path / "encoder") == read_bytes(tmp_path / "undisturbed")


def test_a_fit_whose_inputs_are_known_is_copied(tmp_path: Path) -> None:
    project = Project(tmp_path)
    assert prepare(project)["computed"] == 1
    before = read_bytes(tmp_path / "encoder")
    assert {k: v for k, v in prepare(project).items() if k != "seconds"} == {"computed": 0, "reused": 1}
    assert read_bytes(tmp_path / "encoder") == before


@pytest.mark.parametrize(("clip", "refitted"), [("clip003", 1), ("clip000", 0), ("clip002", 0)])
def test_only_an_edit_in_the_train_part_refits(tmp_path: Path, clip: str, refitted: int) -> None:
    project = Project(tmp_path)
    prepare(project)
    project.edits[clip] = 1
    project.write()
    assert prepare(project, plan=True) == {"plan": True, "to_compute": refitted, "reused": 1 - refitted}


def test_map_and_precision_of_the_embedding_refit_nothing_and_the_fit_does(tmp_path: Path) -> None:
    project = Project(tmp_path)
    prepare(project, "video")
    project.rows["video"] |= {"map": True, "precision": "bf16"}
    project.write()
    assert prepare(project, "video", plan=True)["to_compute"] == 0
    project.rows["video"]["fit"] = project.rows["video"]["fit"] | {"learning_rate": 0.01}
    project.write()
    assert prepare(project, "video", plan=True)["to_compute"] == 1


def test_a_task_with_folds_has_an_artifact_a_fold(tmp_path: Path) -> None:
    project = Project(tmp_path, folds=2)
    assert prepare(project)["computed"] == 2
    for k in range(2):
        assert set(read_encoder(tmp_path / "encoder" / f"fold-{k}").clips) == set(project.fold(k).train)
    assert prepare(project)["reused"] == 2


def test_a_plan_writes_nothing(tmp_path: Path) -> None:
    project = Project(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert prepare(project, plan=True) == {"plan": True, "to_compute": 1, "reused": 0}
    assert sorted(tmp_path.rglob("*")) == before


def test_an_artifact_that_was_changed_is_fitted_again(tmp_path: Path) -> None:
    project = Project(tmp_path)
    prepare(project)
    before = read_bytes(tmp_path / "encoder")
    path = tmp_path / "encoder" / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert prepare(project)["computed"] == 1
    assert read_bytes(tmp_path / "encoder") == before


def test_a_train_part_without_features_is_an_error(tmp_path: Path) -> None:
    project = Project(tmp_path, num_clips=8)
    project.rows["audio"] = audio_row(fit_share="half", valid_share=0.05)
    project.write()
    with pytest.raises(PipelineError, match="too few"):
        prepare(project)
