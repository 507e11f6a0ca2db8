"""The raw release of CMU-MOSEI in miniature: two videos, two annotators, and every quirk of the real one."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import soundfile

from pipeline.clips.corpora import mosei
from pipeline.clips.manifest import Manifest, read_manifest
from pipeline.clips.mosei_sentences import CSD_COLUMNS
from pipeline.clips.splits import check_disjoint, check_ids, read_splits
from pipeline.errors import ManifestError, ParamsError
from pipeline.extract.logmel import LogmelExtractor
from pipeline.extract.logmel_config import PRESETS
from pipeline.shards.extractor import Skip
from pipeline.shards.features import read_features
from tests.clips.corpora.miniature import make_params, make_video, run_stages
from tests.conftest import ROOT

LISTS = ROOT / "data" / "labels" / "mosei"
TEXT = "Well, it's good___or so they say."
TRANSCRIPTS = {
    "-ab_cd__": [
        f"-ab_cd_____0___-0.41768707483___0.3___{TEXT}",
        "-ab_cd_____2___0.25___0.6___I hate it.",
        "-ab_cd_____1___0.6___0.9___Nobody rated this.",
    ],
    "227426": ["227426___0___0.0___0.4___Fine.", "227426___10___0.3___0.8___Not fine."],
}
COLUMNS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "sentiment")
HEADER = "HITId,Input.VIDEO_ID,Input.CLIP," + ",".join(f"Answer.{name}" for name in COLUMNS)
ANSWERS = {
    "5000_batch_raw.csv": [
        "h1,clips/Combined/-ab_cd__,0,0,0,0,2,0,1,1",
        "h2,-ab_cd__,2,3,1,0,0,0,0,-3",
        '"h3, again",227426,0,0,0,0,0,0,0,0',
    ],
    "mturk_extra_v2.csv": ["h4,http://host/x/-ab_cd__,0,1,0,0,,0,0,2", "h5,-ab_cd__,2,,,,,,,", "h6,227426,10,0,0,0.0,0,1,0,-1"],
}


@pytest.fixture
def media(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The release, with full videos, and the numbers that it should hold."""
    raw = tmp_path / "mosei" / "Raw"
    (raw / "Transcript/Segmented/Combined").mkdir(parents=True)
    for video, lines in TRANSCRIPTS.items():
        (raw / f"Transcript/Segmented/Combined/{video}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (raw / "Labels").mkdir()
    for name, rows in ANSWERS.items():
        (raw / "Labels" / name).write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    (raw / "Videos/Full/Combined").mkdir(parents=True)
    positives = {"train": [2, 1, 0, 1, 0, 1], "valid": [0] * 6, "test": [0, 0, 0, 0, 1, 0]}
    monkeypatch.setattr(mosei, "NUM_LABELLED", 4)
    monkeypatch.setattr(mosei, "NUM_CLIPS", {"train": 2, "valid": 0, "test": 1})
    monkeypatch.setattr(mosei, "NUM_VIDEOS", {"train": 1, "valid": 0, "test": 1})
    table = {part: dict(zip(mosei.EMOTIONS, numbers, strict=True)) for part, numbers in positives.items()}
    monkeypatch.setattr(mosei, "NUM_POSITIVES", table)
    return tmp_path / "mosei"


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """The split lists."""
    lists = {"dai2021": ("-ab_cd___0\n-ab_cd___2\n", "", "227426_10\n"), "standard": ("-ab_cd__\n", "", "227426\n")}
    for split, parts in lists.items():
        (tmp_path / "lists" / split).mkdir(parents=True)
        for part, text in zip(("train", "valid", "test"), parts, strict=True):
            (tmp_path / "lists" / split / f"{part}.txt").write_text(text)
    return tmp_path / "lists"


def write_csd(media: Path, shift: float = 0.0) -> None:
    """The labels as a computational sequence, intervals unsorted and unclipped, in place of the questionnaires."""
    for path in (media / "Raw/Labels").glob("*.csv"):
        path.unlink()
    with h5py.File(media / "Raw/Labels/CMU_MOSEI_Labels.csd", "w") as file:
        rows = {"-ab_cd__": ([[0.25, 0.6], [-0.418, 0.301]], [2, 0]), "227426": ([[0.3 + shift, 0.8], [0.0, 0.4]], [1, 2])}
        for video, (intervals, seeds) in rows.items():
            file[f"All Labels/data/{video}/intervals"] = np.array(intervals)
            file[f"All Labels/data/{video}/features"] = np.array([np.arange(7) / 3 + seed for seed in seeds], np.float32)


def test_the_release_goes_through_the_stages(media: Path, labels: Path, tmp_path: Path) -> None:
    for video in TRANSCRIPTS:
        make_video(media / f"Raw/Videos/Full/Combined/{video}.mp4", 1.0)
    make_params(tmp_path, {"adapter": "mosei", "options": {"videos": "full"}}, "well , it ' s good _ or so they say . i hate fine not")
    done = run_stages(tmp_path, labels, media)
    assert (done["index_clips"]["clips"], done["index_clips"]["media"]["hashed"]) == (4, 2)
    assert [done[stage]["computed"] for stage in ("compute_logmel", "tokenize_text")] == [4, 4]
    lengths = {i: len(read_features(tmp_path / "logmel")[i]["logmel"]) for i in read_manifest(tmp_path / "clips").ids}
    assert lengths == {"-ab_cd___0": 31, "-ab_cd___2": 36, "227426_0": 41, "227426_10": 51}  # 10-ms frames of each interval
    assert read_splits(tmp_path / "clips")["standard"][0].test == ("227426_0", "227426_10")


def test_times_before_the_start_texts_with_underscores_and_ids_that_end_in_one_are_read(media: Path, labels: Path) -> None:
    clip = Manifest(mosei.read(labels, media).clips)["-ab_cd___0"]
    assert (clip.media, clip.start, clip.end) == ("Raw/Videos/Full/Combined/-ab_cd__.mp4", 0.0, 0.3)
    assert (clip.text, clip.group, clip.speaker) == (TEXT, "-ab_cd__", None)


def test_answers_are_averaged_empty_ones_left_out_and_unrated_sentences_are_no_clips(media: Path, labels: Path) -> None:
    clips = Manifest(mosei.read(labels, media).clips)
    zero = dict.fromkeys(mosei.EMOTIONS, 0.0)
    assert clips["-ab_cd___0"].labels == {**zero, "anger": 0.5, "happiness": 1.0, "surprise": 0.5, "sentiment": 1.5}
    assert clips["-ab_cd___2"].labels == {**zero, "anger": 3.0, "disgust": 1.0, "sentiment": -3.0}
    assert clips["227426_10"].labels == {**zero, "sadness": 1.0, "sentiment": -1.0}
    assert "-ab_cd___1" not in clips


def test_segmented_videos_are_whole_files_and_go_unasked_only_where_no_full_ones_are(media: Path, labels: Path) -> None:
    (media / "Raw/Videos/Segmented/Combined").mkdir(parents=True)
    assert mosei.read(labels, media).clips[0].end is not None
    (media / "Raw/Videos/Full/Combined").rmdir()
    clip = mosei.read(labels, media).clips[-1]
    assert (clip.media, clip.start, clip.end) == ("Raw/Videos/Segmented/Combined/227426_10.mp4", 0.0, None)


def test_without_videos_the_sound_files_are_used(media: Path, labels: Path) -> None:
    folder = media / "Raw/Audio/Full/WAV_16000"
    folder.mkdir(parents=True)
    soundfile.write(folder / "227426.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 16000), 16000)
    clip = Manifest(mosei.read(labels, media, videos="none").clips)["227426_10"]
    row = LogmelExtractor(PRESETS["davenet"], media).extract(clip)
    assert not isinstance(row, Skip)
    assert (clip.media, len(row["logmel"])) == ("Raw/Audio/Full/WAV_16000/227426.wav", 51)


def test_the_sequences_intervals_find_their_sentences_and_emotions_go_by_name(media: Path, labels: Path) -> None:
    write_csd(media)
    clips = Manifest(mosei.read(labels, media).clips)
    assert clips["-ab_cd___2"].labels == pytest.approx(dict(zip(CSD_COLUMNS, np.arange(7) / 3 + 2, strict=True)))
    assert clips["-ab_cd___0"].labels["anger"] == pytest.approx(1)
    assert set(clips["227426_0"].labels) == {*mosei.EMOTIONS, "sentiment"}


def test_an_interval_that_is_no_sentences_is_named(media: Path, labels: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_csd(media, shift=0.15)
    missing = {d.what: d.missing for d in mosei.read(labels, media).discrepancies}
    assert missing["labelled clips"] == ("227426 [0.45–0.8 s]",)
    assert missing["clips of the split `dai2021` (test)"] == ("227426_10",)
    assert "1 labels of Raw/Labels/CMU_MOSEI_Labels.csd match no sentence" in caplog.text


def test_the_questionnaires_go_first_and_the_option_forces_either(media: Path, labels: Path) -> None:
    answers = {path: path.read_text() for path in (media / "Raw/Labels").glob("*.csv")}
    write_csd(media)
    for path, text in answers.items():
        path.write_text(text)
    scores = {
        option: Manifest(mosei.read(labels, media, scores=option).clips)["-ab_cd___0"].labels["sentiment"] for option in ("auto", "csd")
    }
    assert scores == {"auto": 1.5, "csd": 0.0}


def test_macos_shadows_are_passed_over(media: Path, labels: Path) -> None:
    for name in ("Labels/._a.csv", "Transcript/Segmented/Combined/._a.txt"):
        (media / "Raw" / name).write_bytes(b"\x00\x05\x16\x07")
    assert mosei.read(labels, media).discrepancies == ()


def test_a_whole_copy_has_no_discrepancies_and_its_splits_are_disjoint_by_video(media: Path, labels: Path) -> None:
    listing = mosei.read(labels, media)
    check_ids(listing.splits, Manifest(listing.clips))
    rules = dict.fromkeys(("train-valid", "train-test", "valid-test"), "group")
    for (fold,) in listing.splits.values():
        check_disjoint(fold, Manifest(listing.clips), rules, "here")
    assert listing.discrepancies == ()


def test_what_is_missing_is_counted_and_named(media: Path, labels: Path) -> None:
    (media / "Raw/Transcript/Segmented/Combined/227426.txt").unlink()
    told = [str(discrepancy) for discrepancy in mosei.read(labels, media).discrepancies]
    assert told == [
        "labelled clips: 2 of 4; missing: 227426_0, 227426_10 (looked at Raw/Labels/*.csv, Raw/Transcript/Segmented/Combined)",
        "clips of the split `dai2021` (test): 0 of 1; missing: 227426_10 (looked at Raw/Labels)",
        "videos of the split `standard` (test): 0 of 1; missing: 227426 (looked at Raw/Labels)",
    ]


def test_a_copy_that_lacks_a_video_is_accepted_when_it_says_partial(media: Path, labels: Path, tmp_path: Path) -> None:
    from stages import index_clips

    make_video(media / "Raw/Videos/Full/Combined/-ab_cd__.mp4")
    params = make_params(tmp_path, {"adapter": "mosei"}, "fine")
    with pytest.raises(ManifestError, match=r"1 media files .* Raw/Videos/Full/Combined/227426\.mp4; "):
        index_clips.main("mini", labels, media, tmp_path / "clips", params)
    done = index_clips.main("mini", labels, media, tmp_path / "clips", params, partial=True)
    assert (done["clips"], done["partial"]) == (2, {"discrepancies": 0, "clips_without_media": 2})


def test_other_labels_than_the_published_ones_are_told_by_emotion(media: Path, labels: Path) -> None:
    path = media / "Raw/Labels/5000_batch_raw.csv"
    path.write_text(path.read_text().replace("-ab_cd__,2,3", "-ab_cd__,2,0"))
    (told,) = mosei.read(labels, media).discrepancies
    assert str(told) == "clips of `dai2021` (train) with anger: 1 of 2 (looked at Raw/Labels)"


def test_the_lists_clips_alone_can_be_taken(media: Path, labels: Path) -> None:
    listing = mosei.read(labels, media, clips="dai2021")
    assert (len(listing.clips), listing.splits["standard"][0].test) == (3, ("227426_10",))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"videos": "half"}, "no `videos: half`; it may be auto, full"), ({"scores": "x"}, "auto, csv, csd"), ({"clips": "x"}, "labelled")],
)
def test_an_unknown_value_of_an_option_lists_the_known_ones(media: Path, labels: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        mosei.read(labels, media, **options)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("Transcript/Segmented/Combined/227426.txt", b"other___0___0___1___x\n", "line 1 is not 227426___"),
        ("Transcript/Segmented/Combined/227426.txt", b"227426___0___zero___1___x\n", "line 1 is not .*zero"),
        ("Transcript/Segmented/Combined/227426.txt", b"227426___0___0___1___caf\xe9\n", "not UTF-8"),
        ("Transcript/Segmented/Combined/227426.txt", b"227426___0___0___1___x\n227426___0___1___2___y\n", "clip 0 stands there twice"),
        ("Labels/x.csv", b"video,score\na,1\n", "lacks the columns Input.VIDEO_ID"),
        ("Labels/x.csv", f"{HEADER}\nh,227426,0,0,much,0,0,0,0,0\n".encode(), "line 2: an answer is not a number.*much"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(media: Path, labels: Path, name: str, content: bytes, message: str) -> None:
    (media / "Raw" / name).write_bytes(content)
    with pytest.raises(ManifestError, match=message):
        mosei.read(labels, media)


def test_an_empty_folder_is_told_with_the_layout(tmp_path: Path, media: Path, labels: Path) -> None:
    with pytest.raises(ManifestError, match=r"holds nothing for any of `videos.*\n.*Raw/Transcript"):
        mosei.read(labels, tmp_path)
    with pytest.raises(ManifestError, match="no transcripts"):
        mosei.read(labels, tmp_path, videos="full")
    for path in (media / "Raw/Labels").glob("*.csv"):
        path.unlink()
    with pytest.raises(ManifestError, match="holds nothing for any of `scores: csv, csd`"):
        mosei.read(labels, media)


def test_the_lists_that_come_with_the_project_hold_the_published_numbers() -> None:
    lists = {part: mosei.read_list(LISTS / "dai2021" / f"{part}.txt") for part in ("train", "valid", "test")}
    assert {part: len(set(ids)) for part, ids in lists.items()} == {"train": 14524, "valid": 1765, "test": 4188}
    videos = {part: {i.rsplit("_", 1)[0] for i in ids} for part, ids in lists.items()}
    folds = {part: mosei.read_list(LISTS / "standard" / f"{part}.txt") for part in videos}
    assert {part: len(set(ids)) for part, ids in folds.items()} == {"train": 2249, "valid": 300, "test": 678}
    assert len(set().union(*folds.values())) == 2249 + 300 + 678
    assert all(videos[part] <= set(folds[part]) for part in folds)
