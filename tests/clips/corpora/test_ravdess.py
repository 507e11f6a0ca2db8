"""RAVDESS in miniature: a clip is known by its name's seven numbers."""

import random
from collections import Counter
from pathlib import Path

import pytest

from pipeline.clips.corpora import ravdess
from pipeline.clips.manifest import Manifest, read_manifest
from pipeline.clips.splits import Fold, check_disjoint, check_ids, read_splits
from pipeline.errors import ManifestError, ParamsError, SplitError
from tests.clips.corpora.miniature import make_params, make_video, run_stages
from tests.conftest import ROOT

LABELS = ROOT / "data" / "labels" / "ravdess" / "statements.csv"


def test_every_clip_of_the_design_is_listed_without_any_media(tmp_path: Path) -> None:
    listing = ravdess.read(LABELS, tmp_path / "absent")
    emotions = Counter(clip.labels["emotion"] for clip in listing.clips)
    assert emotions == {"neutral": 96} | dict.fromkeys(("calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"), 192)
    assert (len(listing.clips), listing.discrepancies) == (1440, ())


def test_a_name_says_everything(tmp_path: Path) -> None:
    clip = Manifest(ravdess.read(LABELS, tmp_path).clips)["01-01-06-02-02-01-12"]
    assert (clip.media, clip.text, clip.speaker) == ("Actor_12/01-01-06-02-02-01-12.mp4", "Dogs are sitting by the door", "12")
    assert clip.labels == {"emotion": "fearful", "intensity": "strong", "statement": "02", "sex": "female"}


def test_song_has_fewer_emotions_and_actors(tmp_path: Path) -> None:
    clips = ravdess.read(LABELS, tmp_path, vocal="song").clips
    assert len(clips) == 1012
    assert "18" not in {clip.speaker for clip in clips}
    assert {"disgust", "surprised"}.isdisjoint({str(clip.labels["emotion"]) for clip in clips})


def test_one_modality_of_each_take_is_listed(tmp_path: Path) -> None:
    clips = ravdess.read(LABELS, tmp_path, modality="audio").clips
    assert {clip.id[:5] for clip in clips} == {"03-01"}
    assert {Path(str(clip.media)).suffix for clip in clips} == {".wav"}
    with pytest.raises(ParamsError, match=r"modality: av \| video \| audio"):
        ravdess.read(LABELS, tmp_path, modality="02")


@pytest.mark.parametrize("folder", ["", "Actor_03", "Video_Speech_Actor_03/Actor_03"])
def test_files_are_found_in_every_layout(tmp_path: Path, folder: str) -> None:
    name = "01-01-01-01-01-01-03.mp4"
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    for file in (name, f"._{name}", name.replace("01-", "02-", 1)):
        (tmp_path / folder / file).write_bytes(b"media")
    clip = Manifest(ravdess.read(LABELS, tmp_path).clips)[name.removesuffix(".mp4")]
    assert clip.media == (f"{folder}/{name}" if folder else name)


def test_a_clip_in_two_folders_is_one_clip(tmp_path: Path) -> None:
    for folder in ("Actor_03", "all/Actor_03"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "01-01-01-01-01-01-03.mp4").write_bytes(b"media")
    manifest = Manifest(ravdess.read(LABELS, tmp_path).clips)
    assert (len(manifest), manifest["01-01-01-01-01-01-03"].media) == (1440, "Actor_03/01-01-01-01-01-01-03.mp4")


def test_a_name_outside_the_design_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "01-01-01-02-01-01-03.mp4").write_bytes(b"a strong neutral")
    with pytest.raises(ManifestError, match=r"01-01-01-02-01-01-03\.mp4 is no clip of RAVDESS"):
        ravdess.read(LABELS, tmp_path)


def test_the_folds_are_disjoint_by_actor_and_hold_both_sexes(tmp_path: Path) -> None:
    listing = ravdess.read(LABELS, tmp_path)
    manifest, folds = Manifest(listing.clips), listing.splits["actors"]
    check_ids(listing.splits, manifest)
    for fold in folds:
        check_disjoint(fold, manifest, {}, "actors")
        assert [len(fold.part(part)) for part in ("train", "valid", "test")] == [960, 240, 240]
        assert Counter(manifest[i].labels["sex"] for i in fold.test) == {"male": 120, "female": 120}
    assert sorted(i for fold in folds for i in fold.test) == list(manifest.ids)


def test_random_folds_are_refused(tmp_path: Path) -> None:
    manifest = Manifest(ravdess.read(LABELS, tmp_path).clips)
    ids = random.Random(0).sample(manifest.ids, 1440)
    with pytest.raises(SplitError, match=r"train-test share 24 speaker\(s\)"):
        check_disjoint(Fold.of({"train": ids[480:], "valid": ids[240:480], "test": ids[:240]}), manifest, {"train-valid": "none"}, "random")


def test_the_miniature_goes_from_index_to_tokens(tmp_path: Path) -> None:
    media = tmp_path / "media"
    for actor in ("01", "05", "09"):
        make_video(media / f"Actor_{actor}" / f"01-01-01-01-01-01-{actor}.mp4")
    make_params(tmp_path, {"adapter": "ravdess"}, "kids are talking by the door")
    done = run_stages(tmp_path, LABELS, media, partial=True)
    assert done["index_clips"]["clips"] == done["compute_logmel"]["computed"] == done["tokenize_text"]["computed"] == 3
    fold = read_splits(tmp_path / "clips")["actors"][0]
    assert (fold.test, fold.valid, fold.train) == tuple((f"01-01-01-01-01-01-{actor}",) for actor in ("01", "05", "09"))
    assert all(clip.digest for clip in read_manifest(tmp_path / "clips"))
