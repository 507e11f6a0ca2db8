"""Preprocessed IEMOCAP and CMU-MOSEI, in miniature: pictures by number, a pickle that is never run, lists that say what belongs."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.clips.clip import Clip
from pipeline.clips.corpora import e2e
from pipeline.clips.corpora.e2e import read
from pipeline.clips.manifest import read_manifest
from pipeline.clips.ready_rows import merge_rows, read_rows
from pipeline.clips.splits import PARTS
from pipeline.errors import ManifestError, ParamsError
from pipeline.extract.audio import AudioReader
from pipeline.extract.logmel import LogmelExtractor
from pipeline.extract.logmel_config import read_logmel_config
from pipeline.extract.sound import Sound
from pipeline.extract.tokens import TokenExtractor, TokensConfig
from pipeline.extract.video import read_frames
from pipeline.params import read_row
from pipeline.shards.extractor import Skip
from stages import index_clips
from tests.clips.corpora.e2e_miniature import FPS, MOSEI, MOSEI_LISTS, describe_turns, make_iemocap, make_mosei, write_frames, write_meta
from tests.clips.corpora.iemocap_miniature import LISTS, TURNS, make_lists, write, write_tones


@pytest.fixture
def iemocap(tmp_path: Path) -> Path:
    make_lists(tmp_path / "lists")
    return make_iemocap(tmp_path / "media")


@pytest.fixture
def mosei(tmp_path: Path) -> Path:
    for part, ids in MOSEI_LISTS.items():
        write(tmp_path / "lists" / f"{part}_split.txt", "\n".join(ids) + "\n")
    return make_mosei(tmp_path / "media")


@pytest.fixture(autouse=True)
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the published numbers be those of the miniature."""
    sizes = {name: {part: len(lists[part]) for part in PARTS} for name, lists in (("iemocap", LISTS), ("mosei", MOSEI_LISTS))}
    monkeypatch.setattr(e2e, "SIZES", sizes)


def clips_of(media: Path, corpus: str, **options: str) -> dict[str, Clip]:
    return {clip.id: clip for clip in read(media.parent / "lists", media, corpus, **options).clips}


def levels(clip: Clip, media: Path, fps: float = 100) -> list[tuple[float, int]]:
    """Time (s) and number of a clip's pictures."""
    frames = read_frames(clip, media, fps)
    assert not isinstance(frames, Skip), frames
    return [(round(frame.time, 3), round((float(frame.picture.mean()) - 10) / 4)) for frame in frames]


def test_a_turn_has_its_speakers_side(iemocap: Path) -> None:
    clips = clips_of(iemocap, "iemocap")
    left, right = clips["Ses01F_impro01_F000"], clips["Ses01F_impro01_M000"]
    folder = "Ses01F_impro01/Ses01F_impro01_F000"
    assert (left.media, left.audio, left.channel) == (f"{folder}/image_L_*.jpg", f"{folder}/audio_L.wav", None)
    assert (right.media or "").endswith("_M000/image_R_*.jpg")
    assert (left.frame_rate, left.start, left.end, left.region) == (FPS, 0.0, None, None)
    assert (left.speaker, left.group, left.text) == ("Ses01F", "Ses01F_impro01", "Excuse me.")
    assert (right.labels["emotion"], right.labels["emotion_4"], right.labels["exc"], right.labels["turns"]) == (
        "exc",
        "hap",
        1,
        "improvised",
    )


def test_without_a_file_a_channel_the_speakers_channel_is_taken(iemocap: Path) -> None:
    for file in iemocap.rglob("audio_?.wav"):
        file.unlink()
    clip = clips_of(iemocap, "iemocap")["Ses01F_impro01_M000"]
    assert (clip.audio, clip.channel) == ("Ses01F_impro01/Ses01F_impro01_M000/audio.wav", 1)


def test_turns_in_no_list_are_left_out_and_both_splits_are_there(iemocap: Path) -> None:
    listing = read(iemocap.parent / "lists", iemocap, "iemocap")
    assert {clip.id for clip in listing.clips} == set(TURNS) - {"Ses01F_impro01_F001"}
    assert listing.splits.keys() == {"iemocap_6", "iemocap_4"}
    assert listing.discrepancies == ()


def test_the_labels_of_mosei_are_in_alphabetical_order(mosei: Path) -> None:
    clip = clips_of(mosei, "mosei")["-3g5yACwYnA_10"]
    assert clip.labels == {"anger": 0, "disgust": 0, "fear": 0, "happiness": 1, "sadness": 0, "surprise": 1}
    assert (clip.media, clip.audio, clip.group) == ("-3g5yACwYnA_10/image_*.jpg", "-3g5yACwYnA_10/audio.wav", "-3g5yACwYnA")


def test_the_rate_of_pictures_follows_from_the_sound(mosei: Path) -> None:
    assert {clip.frame_rate for clip in clips_of(mosei, "mosei").values()} == {10.0}
    assert {clip.frame_rate for clip in clips_of(mosei, "mosei", frame_rate="2.5").values()} == {2.5}


def test_pictures_that_were_left_out_keep_the_time_of_the_others(mosei: Path) -> None:
    for number in (1, 2):
        (mosei / "a b_0" / f"image_{number}.jpg").unlink()
    clip = clips_of(mosei, "mosei")["a b_0"]
    assert levels(clip, mosei) == [(0.0, 0), (0.3, 3), (0.4, 4)]


def test_numbers_are_no_text(mosei: Path) -> None:
    write_frames(mosei / "a b_0", "image_*.jpg", range(12))
    assert [number for _, number in levels(clips_of(mosei, "mosei")["a b_0"], mosei)] == list(range(12))


def test_pictures_are_sampled_by_time_however_the_folder_was_thinned(mosei: Path) -> None:
    whole, thinned = mosei / "a b_0", mosei / "-3g5yACwYnA_2"
    for folder, numbers in ((whole, range(50)), (thinned, range(0, 50, 5))):
        write_tones(folder / "audio.wav", 500, duration=2.0 if folder == whole else 46 / 25)
        for file in folder.glob("*.jpg"):
            file.unlink()
        write_frames(folder, "image_*.jpg", numbers)
    clips = clips_of(mosei, "mosei")
    assert levels(clips["a b_0"], mosei, fps=5) == levels(clips["-3g5yACwYnA_2"], mosei, fps=5)


def test_a_clip_without_one_picture_has_no_video(mosei: Path) -> None:
    for file in (mosei / "a b_0").glob("*.jpg"):
        file.unlink()
    clip = clips_of(mosei, "mosei")["a b_0"]
    assert (clip.media, clip.audio) == (None, "a b_0/audio.wav")


def test_absent_clips_are_named(iemocap: Path) -> None:
    entries = describe_turns()
    del entries["Ses02F_impro02_F000"]
    write_meta(iemocap, entries)
    (discrepancy,) = read(iemocap.parent / "lists", iemocap, "iemocap").discrepancies
    assert str(discrepancy) == "clips of the list `iemocap_6`, test: 1 of 2; missing: Ses02F_impro02_F000 (looked at meta.pkl)"


def test_pictures_without_a_rate_are_named(mosei: Path) -> None:
    (mosei / "a b_0" / "audio.wav").write_bytes(b"RIFF, torn")
    listing = read(mosei.parent / "lists", mosei, "mosei")
    assert [str(discrepancy) for discrepancy in listing.discrepancies] == [
        "clips with a known frame rate: 2 of 3; missing: a b_0 (looked at meta.pkl (fps) and audio.wav)"
    ]
    assert "a b_0" not in {clip.id for clip in listing.clips}
    assert "a b_0" in clips_of(mosei, "mosei", frame_rate="30")


def test_the_published_numbers_are_those_of_source_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert {name: sum(sizes.values()) for name, sizes in e2e.SIZES.items()} == {"iemocap": 7380, "mosei": 20477}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"label": "joy"}, "clip Ses02F_impro02_F000: ManifestError IEMOCAP has no emotion 'joy'"),
        ({"label": [1, 0]}, r"clip Ses02F_impro02_F000: ManifestError '\[1, 0\]' is not text"),
        ({"fps": 0.0}, "clip Ses02F_impro02_F000: ManifestError .*frame_rate 0.0 must be"),
        ({"text": None}, "clip Ses02F_impro02_F000: ManifestError 'None' is not text"),
    ],
)
def test_an_entry_that_no_rule_knows_is_named(iemocap: Path, change: dict[str, Any], said: str) -> None:
    entries = describe_turns()
    entries["Ses02F_impro02_F000"] |= change
    write_meta(iemocap, entries)
    with pytest.raises(ManifestError, match=said):
        clips_of(iemocap, "iemocap")


def test_labels_of_another_number_are_named(mosei: Path) -> None:
    write_meta(mosei, {i: {"text": "", "label": [0, 1]} for i in MOSEI})
    with pytest.raises(ManifestError, match=r"meta\.pkl, clip -3g5yACwYnA_10: ValueError"):
        clips_of(mosei, "mosei")


def test_ids_cannot_leave_the_folder(mosei: Path) -> None:
    write(mosei.parent / "lists" / "test_split.txt", "../a_0\n")
    write_meta(mosei, {"../a_0": {"text": "", "label": [0] * 6}})
    with pytest.raises(ManifestError, match="below the media folder"):
        clips_of(mosei, "mosei")


class Hostile:
    """Leaves a file behind when a pickle of it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, ("hostile.txt", "w"))


def test_a_hostile_pickle_is_refused_and_nothing_of_it_runs(mosei: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mosei)
    write_meta(mosei, {"a b_0": Hostile()})
    with pytest.raises(ManifestError, match=r"meta\.pkl"):
        clips_of(mosei, "mosei")
    assert not (mosei / "hostile.txt").exists()


def test_a_pickle_of_something_else_is_told(mosei: Path) -> None:
    (mosei / "meta.pkl").write_bytes(pickle.dumps(["a b_0"]))
    with pytest.raises(ManifestError, match="does not map clip ids to their entries"):
        clips_of(mosei, "mosei")


@pytest.mark.parametrize(
    ("options", "said"), [({"corpus": "sims"}, "iemocap or mosei"), ({"frame_rate": "fast"}, "29.97"), ({"frame_rate": "0.0"}, "29.97")]
)
def test_an_option_of_another_value_is_told(mosei: Path, options: dict[str, str], said: str) -> None:
    with pytest.raises(ParamsError, match=said):
        clips_of(mosei, **({"corpus": "mosei"} | options))


def test_a_folder_without_meta_is_told_the_layout(mosei: Path) -> None:
    (mosei / "meta.pkl").unlink()
    with pytest.raises(ManifestError, match=r"has no meta.pkl(.|\n)*MOSEI_RAW_PROCESSED"):
        clips_of(mosei, "mosei")


@pytest.mark.parametrize(("corpus", "row"), [("iemocap", "e2e_iemocap"), ("mosei", "e2e_mosei")])
def test_every_clip_becomes_an_entry_a_log_mel_and_tokens(tmp_path: Path, corpus: str, row: str) -> None:
    media, make = tmp_path / "raw", {"iemocap": make_iemocap, "mosei": make_mosei}[corpus]
    make(media / f"{corpus.upper()}_RAW_PROCESSED")
    for part in PARTS:
        write(tmp_path / "lists" / f"{part}.txt", "\n".join((LISTS if corpus == "iemocap" else MOSEI_LISTS)[part]))
    params = tmp_path / "params.yaml"
    params.write_text("shards: {num_shards: 1, max_skipped: 0.0}\n")
    merge_rows(params, read_rows(row, row)[0])
    index_clips.main(row, tmp_path / "lists", media, tmp_path / "clips", params=params)
    manifest = read_manifest(tmp_path / "clips")
    assert all(clip.digest and clip.audio_digest for clip in manifest)
    logmels = LogmelExtractor(read_logmel_config(params, row), media)
    tokens = TokenExtractor(read_row(params, "tokens", row, TokensConfig))
    assert not [clip.id for clip in manifest if isinstance(logmels.extract(clip), Skip) or isinstance(tokens.extract(clip), Skip)]


def test_the_sound_is_the_speakers(iemocap: Path) -> None:
    sound = AudioReader(iemocap).read(clips_of(iemocap, "iemocap")["Ses01F_impro01_M000"])
    assert isinstance(sound, Sound)
    assert np.abs(np.fft.rfft(sound.samples)).argmax() * sound.rate / len(sound.samples) == pytest.approx(2000, abs=5)
