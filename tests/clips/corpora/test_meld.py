"""MELD in miniature: three tables, three folders of videos, and every quirk of the release."""

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.clips.corpora import meld
from pipeline.clips.listing import refuse_incomplete
from pipeline.clips.manifest import Manifest, read_manifest
from pipeline.clips.splits import overlaps
from pipeline.errors import ManifestError, ParamsError
from pipeline.shards.features import read_features
from tests.clips.corpora.miniature import make_params, make_video, run_stages

HEADER = (
    "Sr No.",
    "Utterance",
    "Speaker",
    "Emotion",
    "Sentiment",
    "Dialogue_ID",
    "Utterance_ID",
    "Season",
    "Episode",
    "StartTime",
    "EndTime",
)
ROWS = {
    "train": [
        ("1", "also I was the point person", "Chandler", "neutral", "neutral", "0", "0", "8", "21", "00:16:16,059", "00:16:21,731"),
        ("2", "Oh my God, he’s lost it.", "Phoebe", "sadness", "negative", "125", "3", "4", "7", "0:20:57,256", "0:21:00,049"),
    ],
    "dev": [("1", "Did they tell you anything?", "Phoebe", "neutral", "neutral", "110", "7", "6", "11", "00:07:11,764", "00:07:13,890")],
    "test": [("1", "Why do all you’re coffee mugs", "Mark", "surprise", "positive", "0", "0", "3", "19", "00:14:38,127", "00:14:40,378")],
}
EXPECTED = {"train": {"neutral": 1, "sadness": 1}, "dev": {"neutral": 1}, "test": {"surprise": 1}}


@pytest.fixture
def labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The three tables, and as many utterances expected."""
    monkeypatch.setattr(meld, "EXPECTED", EXPECTED)
    (tmp_path / "labels").mkdir()
    for part, rows in ROWS.items():
        write_table(tmp_path / "labels", part, rows)
    return tmp_path / "labels"


def write_table(labels: Path, part: str, rows: Sequence[tuple[str, ...]], encoding: str = "utf-8") -> None:
    with (labels / f"{part}_sent_emo.csv").open("w", encoding=encoding, newline="") as file:
        csv.writer(file).writerows([HEADER, *rows])


def read(labels: Path, media: str = "absent", **options: str) -> Manifest:
    return Manifest(meld.read(labels, labels.parent / media, **options).clips)


def test_the_published_counts_are_those_of_the_paper() -> None:
    assert {part: sum(numbers.values()) for part, numbers in meld.EXPECTED.items()} == {"train": 9989, "dev": 1109, "test": 2610}


def test_numbers_begin_anew_in_each_part_and_ids_do_not(labels: Path) -> None:
    manifest = read(labels)
    assert manifest.ids == ("dev_dia110_utt7", "test_dia0_utt0", "train_dia0_utt0", "train_dia125_utt3")
    clip = manifest["train_dia0_utt0"]
    assert (clip.media, clip.speaker, clip.group) == ("train_splits/dia0_utt0.mp4", "Chandler", "s08e21")
    assert clip.labels == {"emotion": "neutral", "sentiment": "neutral"}
    fold = meld.read(labels, labels).splits["official"][0]
    assert (fold.valid, fold.test) == (("dev_dia110_utt7",), ("test_dia0_utt0",))


def test_speakers_recur_across_the_parts(labels: Path) -> None:
    assert overlaps(meld.read(labels, labels).splits["official"][0], read(labels))["train-valid"]["speaker"] == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_tables_are_read_in_both_encodings(labels: Path, encoding: str) -> None:
    write_table(labels, "train", ROWS["train"], encoding)
    assert read(labels)["train_dia125_utt3"].text == "Oh my God, he’s lost it."


@pytest.mark.parametrize(
    ("broken", "whole"),
    [
        ("he\x92s \x93lost\x94 it\x97", "he’s “lost” it—"),
        ("heâ€™s lost itâ€¦", "he’s lost it…"),
        ("he\xe2\x80\x99s", "he’s"),
        ("café… he’s", "café… he’s"),
        ("CafÃ© Ã la mode", "Café Ã la mode"),
    ],
)
def test_lost_characters_are_restored(broken: str, whole: str) -> None:
    assert meld.repair(broken) == whole


def test_the_video_that_was_never_published_leaves_a_clip_with_its_text(labels: Path) -> None:
    clip = read(labels)["dev_dia110_utt7"]
    assert (clip.media, clip.text) == (None, "Did they tell you anything?")
    (labels.parent / "own" / "dev_splits_complete").mkdir(parents=True)
    (labels.parent / "own" / "dev_splits_complete" / "dia110_utt7.mp4").write_bytes(b"cut by oneself")
    assert read(labels, "own")["dev_dia110_utt7"].media == "dev_splits_complete/dia110_utt7.mp4"


@pytest.mark.parametrize(
    ("files", "option", "chosen"),
    [
        (("dia0_utt0", "final_videos_testdia0_utt0", "._dia0_utt0"), "no", "dia0_utt0"),
        (("dia0_utt0", "final_videos_testdia0_utt0"), "yes", "final_videos_testdia0_utt0"),
        (("final_videos_testdia0_utt0", "._final_videos_testdia0_utt0"), "no", "final_videos_testdia0_utt0"),
        (("._dia0_utt0",), "yes", "dia0_utt0"),
    ],
)
def test_a_test_clip_that_stands_twice_is_one_clip(labels: Path, files: tuple[str, ...], option: str, chosen: str) -> None:
    folder = labels.parent / "media/test/output_repeated_splits_test"
    folder.mkdir(parents=True)
    for file in files:
        (folder / f"{file}.mp4").write_bytes(b"media")
    assert read(labels, "media", final_videos=option)["test_dia0_utt0"].media == f"test/output_repeated_splits_test/{chosen}.mp4"


def test_an_unknown_option_is_an_error(labels: Path) -> None:
    with pytest.raises(ParamsError, match="final_videos of meld is yes or no, not 'maybe'"):
        read(labels, final_videos="maybe")


@pytest.mark.parametrize(
    ("column", "value", "said"), [(3, "happy", "'happy' is no emotion"), (4, "good", "'good' none of"), (5, "x", "none")]
)
def test_a_wrong_field_is_named_with_its_line(labels: Path, column: int, value: str, said: str) -> None:
    row = list(ROWS["test"][0])
    row[column] = value
    write_table(labels, "test", [tuple(row)])
    with pytest.raises(ManifestError, match=f"test_sent_emo.csv, line 2: .*{said}"):
        read(labels)


def test_an_absent_table_is_named_with_the_layout(labels: Path) -> None:
    (labels / "dev_sent_emo.csv").unlink()
    with pytest.raises(ManifestError, match=r"dev_sent_emo.csv does not exist(.|\n)*dev_splits_complete"):
        read(labels)


def test_other_counts_are_another_corpus(labels: Path) -> None:
    write_table(labels, "train", ROWS["train"][:1])
    with pytest.raises(ManifestError, match="utterances of train labelled sadness: 0 of 1"):
        refuse_incomplete(meld.read(labels, labels))


def test_the_miniature_goes_from_index_to_tokens_and_a_broken_video_costs_one_clip(labels: Path, tmp_path: Path) -> None:
    media = tmp_path / "media"
    make_video(media / "train_splits/dia0_utt0.mp4")
    (media / "train_splits/dia125_utt3.mp4").write_bytes(b"\0\0\0\x20ftypisom no moov atom")
    make_video(media / "output_repeated_splits_test/dia0_utt0.mp4")
    params = make_params(tmp_path, {"adapter": "meld"}, "also i was the point person")
    params.write_text(params.read_text().replace("max_skipped: 0.0", "max_skipped: 0.5"))
    done = run_stages(tmp_path, labels, media)
    assert done["index_clips"]["clips"] == done["tokenize_text"]["computed"] == 4
    assert sorted(read_features(tmp_path / "logmel").skips) == ["dev_dia110_utt7", "train_dia125_utt3"]
    assert read_manifest(tmp_path / "clips")["dev_dia110_utt7"].digest is None
