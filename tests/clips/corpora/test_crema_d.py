"""CREMA-D in miniature: the repository's folders, and every quirk of its files."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipeline.clips.clip import Clip
from pipeline.clips.corpora import crema_d
from pipeline.clips.listing import read_partial, refuse_incomplete
from pipeline.clips.manifest import read_manifest
from pipeline.clips.splits import Fold
from pipeline.errors import ManifestError, ParamsError
from pipeline.shards.features import read_features
from tests.clips.corpora.miniature import RATE, make_params, make_video, run_stages
from tests.conftest import ROOT

LABELS = ROOT / "data" / "labels" / "crema_d"


def touch(media: Path, *names: str) -> Path:
    for name in names:
        (media / name).parent.mkdir(parents=True, exist_ok=True)
        (media / name).write_bytes(b"media")
    return media


def find(media: Path, clip_id: str, **options: str) -> Clip:
    return next(clip for clip in crema_d.read(LABELS, media, **options).clips if clip.id == clip_id)


def test_a_name_says_actor_sentence_emotion_and_level(tmp_path: Path) -> None:
    clip = find(touch(tmp_path, "VideoFlash/1001_IEO_HAP_LO.flv"), "1001_IEO_HAP_LO")
    assert (clip.media, clip.audio, clip.speaker, clip.text) == ("VideoFlash/1001_IEO_HAP_LO.flv", None, "1001", "It's eleven o'clock")
    assert clip.labels == {"emotion": "happy", "level": "low", "sentence": "IEO"}


def test_the_wav_file_is_the_sound_of_a_video_unless_the_row_says_otherwise(tmp_path: Path) -> None:
    media = touch(tmp_path, "VideoFlash/1001_IEO_NEU_XX.flv", "AudioWAV/1001_IEO_NEU_XX.wav", "AudioMP3/1001_IEO_NEU_XX.mp3")
    assert find(media, "1001_IEO_NEU_XX").audio == "AudioWAV/1001_IEO_NEU_XX.wav"
    assert find(media, "1001_IEO_NEU_XX", sound="video").audio is None
    with pytest.raises(ParamsError, match="wav or video, not 'mp3'"):
        crema_d.read(LABELS, media, sound="mp3")


def test_a_copy_with_sound_only_has_clips_without_picture(tmp_path: Path) -> None:
    media = touch(tmp_path, "AudioWAV/1001_IEO_NEU_XX.wav", "AudioMP3/1001_IEO_NEU_XX.mp3", "AudioMP3/1002_IEO_NEU_XX.mp3")
    assert [clip.media for clip in crema_d.read(LABELS, media).clips] == ["AudioWAV/1001_IEO_NEU_XX.wav", "AudioMP3/1002_IEO_NEU_XX.mp3"]


def test_the_misspelt_name_of_older_clones_is_the_clip_of_the_list(tmp_path: Path) -> None:
    media = touch(tmp_path, "VideoFlash/1040_ITH_SAD_XX.flv", "AudioWAV/1040_ITH_SAD_X.wav", "VideoFlash/._1040_ITH_SAD_XX.flv")
    assert [(clip.id, clip.audio) for clip in crema_d.read(LABELS, media).clips] == [("1040_ITH_SAD_XX", "AudioWAV/1040_ITH_SAD_X.wav")]


def test_files_that_show_something_else_are_clips_of_no_fold(tmp_path: Path) -> None:
    listing = crema_d.read(LABELS, touch(tmp_path, "1076_MTI_SAD_XX.flv", "1064_IEO_DIS_MD.flv", "1064_IEO_DIS_LO.flv"))
    assert len(listing.clips) == 3
    assert {i for fold in listing.splits["actors"] for i in (*fold.train, *fold.valid, *fold.test)} == {"1064_IEO_DIS_LO"}


def test_a_clone_without_git_lfs_is_told(tmp_path: Path) -> None:
    touch(tmp_path, "VideoFlash/1001_IEO_NEU_XX.flv").joinpath("VideoFlash/1001_IEO_NEU_XX.flv").write_text(
        "version https://git-lfs\noid 1\n"
    )
    with pytest.raises(ManifestError, match=r"1 files in .* are pointers of git-lfs, no media: VideoFlash/1001.*git lfs pull"):
        crema_d.read(LABELS, tmp_path)


def test_the_published_lists_name_every_clip_and_the_actors(tmp_path: Path) -> None:
    (tmp_path / "SentenceFilenames.csv").write_text('"Stimulus_Number","Filename"\n1,"1001_IEO_NEU_XX"\n2,"1002_IEO_NEU_XX"\n')
    demographics = '"ActorID","Age","Sex","Race","Ethnicity"\n1001,51,"Male","Caucasian","Not Hispanic"\n'
    (tmp_path / "VideoDemographics.csv").write_text(demographics)
    clips = crema_d.read(LABELS, touch(tmp_path, "VideoFlash/1001_IEO_NEU_XX.flv")).clips
    assert [(clip.media, clip.audio) for clip in clips] == [
        ("VideoFlash/1001_IEO_NEU_XX.flv", None),
        ("VideoFlash/1002_IEO_NEU_XX.flv", "AudioWAV/1002_IEO_NEU_XX.wav"),
    ]
    assert (clips[0].labels["sex"], clips[0].labels["age"]) == ("male", 51)


def test_a_name_of_no_clip_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="'1001_IEO_JOY_XX' is no clip of CREMA-D"):
        crema_d.read(LABELS, touch(tmp_path, "1001_IEO_JOY_XX.flv"))


def test_an_incomplete_copy_is_counted_and_its_layout_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    media = touch(tmp_path, "1001_IEO_NEU_XX.flv")
    with pytest.raises(ManifestError, match=r"clips: 1 of 7442(.|\n)*SentenceFilenames.csv"):
        refuse_incomplete(crema_d.read(LABELS, media))
    monkeypatch.setattr(crema_d, "EXPECTED_CLIPS", 1)
    refuse_incomplete(crema_d.read(LABELS, media))


def test_the_folds_of_a_part_of_the_corpus_are_those_of_the_whole(tmp_path: Path) -> None:
    folds = crema_d.read(LABELS, touch(tmp_path, "1001_IEO_NEU_XX.flv", "1020_IEO_NEU_XX.flv", "1091_IEO_NEU_XX.flv")).splits["actors"]
    assert folds[0] == Fold(train=("1091_IEO_NEU_XX",), valid=("1020_IEO_NEU_XX",), test=("1001_IEO_NEU_XX",))
    assert folds[4] == Fold(train=("1020_IEO_NEU_XX",), valid=("1001_IEO_NEU_XX",), test=("1091_IEO_NEU_XX",))


def test_the_miniature_goes_from_index_to_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crema_d, "EXPECTED_CLIPS", 2)
    media = tmp_path / "media"
    for name in ("1001_DFA_ANG_XX", "1002_TIE_SAD_XX"):
        make_video(media / "VideoFlash" / f"{name}.mp4")
    (media / "AudioWAV").mkdir()
    soundfile.write(media / "AudioWAV/1001_DFA_ANG_XX.wav", np.zeros(RATE // 2, np.float32), RATE)
    make_params(tmp_path, {"adapter": "crema_d"}, "that is exactly what happened don ' t forget a jacket")
    done = run_stages(tmp_path, LABELS, media)
    assert done["index_clips"]["clips"] == done["compute_logmel"]["computed"] == done["tokenize_text"]["computed"] == 2
    frames = {i: len(read_features(tmp_path / "logmel")[i]["logmel"]) for i in ("1001_DFA_ANG_XX", "1002_TIE_SAD_XX")}
    assert frames["1001_DFA_ANG_XX"] > frames["1002_TIE_SAD_XX"]  # half a second of wav, three tenths of video


def test_the_real_clips_are_indexed_as_an_incomplete_copy(tmp_path: Path, realdata: Path) -> None:
    from stages import index_clips

    make_params(tmp_path, {"adapter": "crema_d"}, "a")
    done = index_clips.main("mini", LABELS, realdata / "cremad", tmp_path / "clips", tmp_path / "params.yaml", partial=True)
    manifest = read_manifest(tmp_path / "clips")
    assert done["clips"] == len(manifest) == 12
    assert {clip.text for clip in manifest} == {"Don't forget a jacket"}
    assert {(clip.speaker, Path(str(clip.media)).suffix) for clip in manifest} == {("1001", ".flv"), ("1002", ".mp3")}
    assert (read_partial(tmp_path / "clips") or {})["discrepancies"][0]["found"] == 12
