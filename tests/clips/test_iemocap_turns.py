"""IEMOCAP's ids, source 1's lists of them and source 2's folds."""

from pathlib import Path

import pytest

from pipeline.clips.clip import Clip
from pipeline.clips.corpora import iemocap
from pipeline.clips.id_lists import compare_lists, read_id_lists
from pipeline.clips.iemocap_turns import LIST_SIZES, Turn, label_turn, speaker_folds
from pipeline.clips.manifest import Manifest
from pipeline.clips.splits import PARTS, check_disjoint
from pipeline.errors import ManifestError
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("turn_id", "turn"),
    [
        ("Ses03F_impro08a_F018", Turn("Ses03F_impro08a", "Ses03F", True, "improvised")),
        ("Ses05M_script01_1b_FX10", Turn("Ses05M_script01_1b", "Ses05F", False, "scripted")),
    ],
)
def test_an_id_says_dialogue_speaker_side_and_kind(turn_id: str, turn: Turn) -> None:
    assert Turn.of(turn_id) == turn


@pytest.mark.parametrize("turn_id", ["", "Ses06F_impro01_F000", "Ses01F_impro01", "Ses01F_impro01_X000", "Ses01F_impro01_F000.wav"])
def test_other_ids_are_refused(turn_id: str) -> None:
    with pytest.raises(ManifestError, match="is no turn of IEMOCAP"):
        Turn.of(turn_id)


def test_lists_may_be_called_splits_and_hold_empty_lines(tmp_path: Path) -> None:
    for part in PARTS:
        (tmp_path / f"{part}_split.txt").write_text(f"\ufeff{part}_1\r\n\n{part}_2\r\n", encoding="utf-8")
    assert read_id_lists(tmp_path) == {part: (f"{part}_1", f"{part}_2") for part in PARTS}


def test_a_list_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ManifestError, match=r"train\.txt is not a list of ids"):
        read_id_lists(tmp_path)


def test_a_list_that_lost_ids_is_told_as_clips_that_are_missing_are() -> None:
    lists = {"train": ("a", "b"), "valid": ("c",), "test": ("d",)}
    found = compare_lists("six", lists, {"train": 3, "valid": 1, "test": 1}, {"a", "b", "c"}, "meta.pkl")
    assert [(d.what, d.expected, d.found, d.missing) for d in found] == [
        ("clips of the list `six`, train", 3, 2, ()),
        ("clips of the list `six`, test", 1, 0, ("d",)),
    ]


def test_the_lists_are_those_of_source_1() -> None:
    lists = read_id_lists(ROOT / "data" / "labels" / "iemocap")
    assert {part: len(ids) for part, ids in lists.items()} == LIST_SIZES
    assert len({i for ids in lists.values() for i in ids}) == 7380
    assert len({Turn.of(i).dialogue for ids in lists.values() for i in ids}) == iemocap.NUM_DIALOGUES


def make_turn(turn_id: str) -> Clip:
    turn = Turn.of(turn_id)
    return Clip(turn_id, speaker=turn.speaker, group=turn.dialogue, labels=label_turn(turn, "neu"))


def test_ten_folds_test_every_speaker_once_and_share_none() -> None:
    ids = (i for listed in read_id_lists(ROOT / "data" / "labels" / "iemocap").values() for i in listed)
    manifest = Manifest(make_turn(i) for i in ids)
    folds = speaker_folds(manifest)
    for fold in folds:
        check_disjoint(fold, manifest, dict.fromkeys(("train-valid", "train-test", "valid-test"), "speaker"), "iemocap_4")
        assert len(fold.train) + len(fold.valid) + len(fold.test) == 7380
    speakers = [tuple({manifest[i].speaker for i in fold.part(part)} for part in PARTS) for fold in folds]
    assert [test for _, _, test in speakers] == [{f"Ses0{k}{g}"} for g in "MF" for k in (5, 4, 3, 2, 1)]
    assert [valid for _, valid, _ in speakers] == [{f"Ses0{k}{g}"} for g in "FM" for k in (5, 4, 3, 2, 1)]
    assert all(len(train) == 8 for train, _, _ in speakers)
