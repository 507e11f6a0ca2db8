"""Splits: what parts may share, and what they must not."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from pipeline.clips.manifest import Manifest
from pipeline.clips.splits import Fold, check_disjoint, check_ids, find_copies, overlaps, read_splits, rotate_folds, write_splits
from pipeline.errors import SplitError
from tests.conftest import make_clip

MANIFEST = Manifest(
    [make_clip("a", speaker="s1", group="g1"), make_clip("b", speaker="s2", group="g1"), make_clip("c", speaker="s1", group="g2")]
)
FOLD = Fold(("a",), ("b",), ("c",))


def test_splits_come_back_as_they_were_written(tmp_path: Path) -> None:
    write_splits({"official": (FOLD, FOLD)}, tmp_path)
    assert read_splits(tmp_path) == {"official": (FOLD, FOLD)}


def test_unknown_and_double_ids_are_listed() -> None:
    with pytest.raises(SplitError, match="1 ids are no clips of the corpus: z"):
        check_ids({"s": (Fold(("a", "z"), (), ()),)}, MANIFEST)
    with pytest.raises(SplitError, match="1 ids stand in more than one part: a"):
        check_ids({"s": (Fold(("a",), (), ("a",)),)}, MANIFEST)


def test_overlaps_are_counted() -> None:
    counts = overlaps(FOLD, MANIFEST)
    assert counts["train-valid"] == {"speaker": 0, "group": 1, "media": 0}
    assert counts["train-test"] == {"speaker": 1, "group": 0, "media": 0}


def test_undeclared_overlap_is_an_error_and_declared_is_not() -> None:
    with pytest.raises(SplitError, match=r"train-test share 1 speaker"):
        check_disjoint(FOLD, MANIFEST, {}, "task t")
    check_disjoint(FOLD, MANIFEST, {"train-test": "group"}, "task t")
    with pytest.raises(SplitError, match=r"train-valid share 1 group"):
        check_disjoint(FOLD, MANIFEST, {"train-test": "none", "train-valid": "group"}, "task t")


NONE = {"train-valid": "none", "train-test": "none", "valid-test": "none"}


def test_identical_media_are_refused_whatever_is_declared_and_named() -> None:
    copies = Manifest([make_clip("a", digest="d"), make_clip("b", digest="d"), make_clip("c")])
    with pytest.raises(SplitError, match=r"1 clips of the valid part have the media of a clip of the train part: b; .*copies: count"):
        check_disjoint(FOLD, copies, NONE, "task t")


def test_identical_media_can_be_counted_beside_the_table() -> None:
    copies = Manifest([make_clip("a", digest="d"), make_clip("b", digest="d"), make_clip("c")])
    check_disjoint(FOLD, copies, NONE, "task t", copies="count")
    assert {pair: counts["media"] for pair, counts in overlaps(FOLD, copies).items()} == {
        "train-valid": 1,
        "train-test": 0,
        "valid-test": 0,
    }


@pytest.mark.parametrize(
    ("first", "second", "copied"),
    [
        ({"start": 0, "end": 5}, {"start": 0, "end": 5}, True),
        ({"start": 0, "end": 5}, {"start": 0.02, "end": 5.02}, True),  # cut anew
        ({"start": 0, "end": 5}, {}, True),  # the whole file
        ({}, {}, True),
        ({"start": 0, "end": 60}, {"start": 10, "end": 12}, True),  # a part of it
        ({"start": 0, "end": 5}, {"start": 4.9, "end": 9}, False),  # its neighbour
        ({"start": 0, "end": 5}, {"start": 5}, False),
        ({"start": 0, "end": 5, "channel": 0}, {"start": 0, "end": 5, "channel": 1}, False),  # the other speaker
        ({"region": (0, 0, 0.5, 1)}, {"region": (0.5, 0, 1, 1)}, False),
        ({"audio": "x", "audio_digest": "x"}, {"audio": "y", "audio_digest": "y"}, False),
        ({"digest": None}, {"digest": None}, False),  # features without media
    ],
)
def test_a_copy_is_the_same_stretch_of_the_same_media(first: dict, second: dict, copied: bool) -> None:
    manifest = Manifest([make_clip("a", **{"digest": "d", **first}), make_clip("b", **{"digest": "d", **second})])
    assert find_copies(["a"], ["b"], manifest) == (["b"] if copied else [])
    assert find_copies(["b"], ["a"], manifest) == (["a"] if copied else [])


def make_ids(speakers: Iterable[str], clips: int = 2) -> dict[str, str]:
    return {f"{speaker}-{number}": speaker for speaker in speakers for number in range(clips)}


def test_rotated_folds_test_each_clip_once_and_share_no_speaker() -> None:
    ids = make_ids(map(str, range(1, 25)))
    folds = rotate_folds(ids, 6)
    assert sorted(i for fold in folds for i in fold.test) == sorted(ids)
    for number, fold in enumerate(folds):
        assert fold.valid == folds[(number + 1) % 6].test
        speakers = [{ids[i] for i in fold.part(part)} for part in ("train", "valid", "test")]
        assert [len(each) for each in speakers] == [16, 4, 4]
        assert len(set().union(*speakers)) == 24


def test_blocks_are_of_speakers_in_the_order_of_their_numbers() -> None:
    assert rotate_folds(make_ids(["10", "9", "1", "2", "s3", "s20"], clips=1), 3)[0] == Fold(
        ("s20-0", "s3-0"), ("10-0", "9-0"), ("1-0", "2-0")
    )


def test_a_copy_with_fewer_speakers_has_the_folds_of_the_whole() -> None:
    everyone = [str(number) for number in range(1001, 1092)]
    whole, part = rotate_folds(make_ids(everyone), 5), rotate_folds(make_ids(everyone[::10]), 5, everyone)
    assert sorted(len(fold.test) // 2 for fold in whole) == [18, 18, 18, 18, 19]
    assert all(
        set(few.part(name)) <= set(all_.part(name)) for few, all_ in zip(part, whole, strict=True) for name in ("train", "valid", "test")
    )


@pytest.mark.parametrize("k", [2, 4])
def test_more_folds_than_speakers_or_fewer_than_three_are_an_error(k: int) -> None:
    with pytest.raises(SplitError, match=f"3 speakers cannot be dealt to {k} folds"):
        rotate_folds(make_ids("abc"), k)


@pytest.mark.parametrize("text", ["", "[]", '{"s": [{"train": []}]}', '{"s": [{"train": [1], "valid": [], "test": []}]}', '{"s": 3}'])
def test_a_file_that_is_no_table_of_folds_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "splits.json").write_text(text)
    with pytest.raises(SplitError, match=r"splits\.json"):
        read_splits(tmp_path)


@pytest.mark.parametrize("rules", [{"train-tset": "none"}, {"train-test": "dialogue"}])
def test_a_misspelt_rule_is_an_error(rules: dict) -> None:
    with pytest.raises(SplitError, match="disjoint"):
        check_disjoint(FOLD, MANIFEST, rules, "task t")
