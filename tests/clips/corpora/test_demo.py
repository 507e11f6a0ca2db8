"""The adapter of the built-in corpus reads what make_demo writes."""

from pathlib import Path

import pytest

from pipeline.clips.corpora.demo import read
from pipeline.clips.manifest import Manifest
from pipeline.clips.splits import check_disjoint, check_ids
from pipeline.demo.corpus import make_corpus
from pipeline.errors import ManifestError
from tests.demo.demo_config import make_config

HEADER = "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode,speaker,anger,disgust,fear,happiness,sadness,surprise"
LINE = 'video_0001,1,"Yes, I see.",0.4,0,0.2,1,Positive,train,speaker_01,0,0,0,1,0,0'


def write_labels(folder: Path, *lines: str) -> Path:
    path = folder / "label.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_clips_have_their_labels_text_speaker_and_recording(tmp_path: Path) -> None:
    listing = read(write_labels(tmp_path, HEADER, LINE), tmp_path)
    clips, splits = listing.clips, listing.splits
    clip = clips[0]
    assert (clip.id, clip.media, clip.text) == ("video_0001_0001", "Raw/video_0001/0001.mp4", "Yes, I see.")
    assert (clip.speaker, clip.group) == ("speaker_01", "video_0001")
    sentiments = {"sentiment": 0.4, "sentiment_T": 0, "sentiment_A": 0.2, "sentiment_V": 1}
    assert clip.labels == {"anger": 0, "disgust": 0, "fear": 0, "happiness": 1, "sadness": 0, "surprise": 0, **sentiments}
    assert splits["speaker"][0].train == ("video_0001_0001",)


def test_what_make_demo_writes_is_read(tmp_path: Path) -> None:
    make_corpus(make_config(num_clips=3), tmp_path)
    listing = read(tmp_path / "label.csv", tmp_path)
    clips, splits = listing.clips, listing.splits
    manifest = Manifest(clips)
    assert len(manifest) == 3
    assert all((tmp_path / str(clip.media)).is_file() for clip in clips)
    check_ids(splits, manifest)
    check_disjoint(splits["speaker"][0], manifest, {}, "speaker")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (LINE.replace("train", "trial"), "line 2: mode is 'trial'"),
        (LINE.replace("0.4", "high"), "line 2: a label"),
        (LINE[:-2], "line 2: a label"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(ManifestError, match=said):
        read(write_labels(tmp_path, HEADER, line), tmp_path)


def test_a_missing_column_or_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="does not exist; run make_demo"):
        read(tmp_path / "label.csv", tmp_path)
    with pytest.raises(ManifestError, match=r"lacks the column\(s\) speaker"):
        read(write_labels(tmp_path, HEADER.replace(",speaker", ",who"), LINE), tmp_path)
