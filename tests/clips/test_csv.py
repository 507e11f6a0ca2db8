"""The adapter for anybody's videos."""

from pathlib import Path

import pytest

from pipeline.clips.corpora import load_adapter
from pipeline.clips.corpora.csv import read
from pipeline.errors import ManifestError, ParamsError


def write(folder: Path, *lines: str) -> Path:
    (folder / "clips.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "clips.csv"


def test_every_column_finds_its_field(tmp_path: Path) -> None:
    labels = write(
        tmp_path,
        "media,start,end,text,speaker,group,split,anger,emotion",
        'talk/a b.mp4,1.5,3,"Well, 你好",s1,talk,train,1,happy',
        "talk/c.mp4,,,,s2,talk,test,,sad",
    )
    listing = read(labels, tmp_path)
    (first, second), splits = listing.clips, listing.splits
    assert (first.id, first.media, first.start, first.end, first.text) == ("talk/a b.mp4", "talk/a b.mp4", 1.5, 3.0, "Well, 你好")
    assert (first.speaker, first.group, dict(first.labels)) == ("s1", "talk", {"anger": 1.0, "emotion": "happy"})
    assert (second.start, second.end, second.labels["anger"]) == (0.0, None, None)
    assert (splits["csv"][0].train, splits["csv"][0].test) == (("talk/a b.mp4",), ("talk/c.mp4",))


def test_several_clips_of_one_file_have_ids_of_their_own(tmp_path: Path) -> None:
    listing = read(write(tmp_path, "media,id,start,end", "x.mp4,x1,0,1", "x.mp4,x2,1,2"), tmp_path)
    clips, splits = listing.clips, listing.splits
    assert [clip.id for clip in clips] == ["x1", "x2"]
    assert splits == {}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["file,text", "a.mp4,hi"], "lacks the column.*media"),
        (["media,start", "a.mp4,soon"], "line 2.*soon"),
        (["media,start,end", "a.mp4,2,1"], "line 2.*end 1.0 must come after"),
        (["media,split", "a.mp4,dev"], "line 2.*'dev'"),
        (["media", "../secret.mp4"], "line 2.*below the media folder"),
        (["media", "/etc/passwd"], "line 2.*below the media folder"),
        (["media,text", "a.mp4,one, two"], "line 2.*more fields"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        read(write(tmp_path, *lines), tmp_path)


def test_an_absent_or_binary_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="does not exist"):
        read(tmp_path / "none.csv", tmp_path)
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00media")
    with pytest.raises(ManifestError, match="UTF-8"):
        read(tmp_path / "b.csv", tmp_path)


def test_an_unknown_adapter_lists_the_known_ones() -> None:
    with pytest.raises(ParamsError, match=r"known: .*csv"):
        load_adapter("imeocap")


def test_a_folder_in_the_place_of_the_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="not a CSV file"):
        read(tmp_path, tmp_path)


def test_two_columns_of_one_name_are_told(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("media,text,text\na.wav,x,y\n")
    with pytest.raises(ManifestError, match="more than one column named text"):
        read(tmp_path / "clips.csv", tmp_path)
