"""What an incomplete copy of a corpus says of itself."""

from pathlib import Path

import pytest

from pipeline.clips.clip import Clip
from pipeline.clips.corpora import CorpusConfig
from pipeline.clips.frames import is_pattern, list_frames
from pipeline.clips.listing import Listing, below, count, read_partial, refuse_incomplete, restrict, write_partial
from pipeline.clips.manifest import Manifest
from pipeline.clips.splits import Fold
from pipeline.errors import ManifestError, ParamsError
from tests.conftest import make_clip

NAMES = [f"turn{number:02d}" for number in range(12)]
LACKING = Listing([make_clip("a")], {}, count("labelled turns", 13, 1, NAMES, "Session*/*.txt"), "Session1/turns.txt")


def test_a_whole_copy_is_accepted() -> None:
    refuse_incomplete(Listing([], {}, count("turns", 2, ["a", "b"])))


def test_what_is_missing_is_said_with_numbers_names_place_and_layout() -> None:
    with pytest.raises(ManifestError) as error:
        refuse_incomplete(LACKING)
    message = str(error.value)
    assert "labelled turns: 1 of 13; missing: turn00, " in message
    assert "turn09 … (looked at Session*/*.txt)" in message
    assert "turn10" not in message
    assert "Session1/turns.txt" in message
    assert "`partial: true`" in message


def test_an_accepted_copy_keeps_its_list_for_the_reports(tmp_path: Path) -> None:
    listing = Listing([make_clip("a"), make_clip("b")], {}, LACKING.discrepancies)
    assert write_partial(listing, Manifest([make_clip("a")]), tmp_path) == {"partial": {"discrepancies": 1, "clips_without_media": 1}}
    record = read_partial(tmp_path)
    assert record is not None
    assert record["absent_media"] == {"count": 1, "first": ["b"]}
    assert (record["discrepancies"][0]["num_missing"], len(record["discrepancies"][0]["missing"])) == (12, 10)
    assert write_partial(Listing([make_clip("a")], {}), Manifest([make_clip("a")]), tmp_path) == {}
    assert read_partial(tmp_path) is None


def test_a_torn_list_is_named(tmp_path: Path) -> None:
    (tmp_path / "partial.json").write_text('{"discrep')
    with pytest.raises(ManifestError, match=r"partial\.json is not a record"):
        read_partial(tmp_path)


def test_splits_are_cut_to_the_clips_that_are_there() -> None:
    assert restrict({"s": (Fold(("a", "b"), ("c",), ("d",)),)}, {"a", "d"}) == {"s": (Fold(("a",), (), ("d",)),)}


@pytest.mark.parametrize("name", ["/etc/passwd", "../other/a.mp4", "a/../../b.mp4", "C:\\a.mp4", "..\\a.mp4", ""])
def test_a_path_that_leaves_the_folder_is_refused(name: str) -> None:
    with pytest.raises(ManifestError, match="must be a path below"):
        below(name)


@pytest.mark.parametrize("field", ["media", "audio"])
def test_a_manifest_line_cannot_leave_the_folder_either(field: str) -> None:
    with pytest.raises(ManifestError, match="must be a path below"):
        Clip.from_json({"id": "a", field: "x/../../../etc/passwd"})


def test_paths_are_spelt_as_the_manifest_spells_them() -> None:
    assert below("a\\b//c.mp4") == "a/b/c.mp4"


def test_an_unknown_option_of_an_adapter_is_named(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="`csv` has no option colour; its options: none"):
        CorpusConfig("csv", {"colour": "red"}).read(tmp_path, tmp_path)


def test_pictures_are_ordered_by_number(tmp_path: Path) -> None:
    for name in ("image_L_10.jpg", "image_L_9.jpg", "image_R_1.jpg", "image_L_x.jpg", "notes.txt"):
        (tmp_path / name).touch()
    assert is_pattern("image_L_*.jpg")
    assert not is_pattern("a*/b.jpg")
    assert [number for number, _ in list_frames(tmp_path, "image_L_*.jpg")] == [9, 10]
    assert list_frames(tmp_path, "none/image_L_*.jpg") == []
