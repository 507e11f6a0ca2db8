"""Splits: what parts may share, and what they must not."""

from pathlib import Path

import pytest

from pipeline.clips.manifest import Manifest
from pipeline.clips.splits import Fold, check_disjoint, check_ids, overlaps, read_splits, write_splits
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


def test_identical_media_are_never_allowed() -> None:
    copies = Manifest([make_clip("a", digest="d"), make_clip("b", digest="d"), make_clip("c")])
    with pytest.raises(SplitError, match="train-valid share 1 media"):
        check_disjoint(FOLD, copies, {"train-valid": "none", "train-test": "none", "valid-test": "none"}, "task t")


@pytest.mark.parametrize("text", ["", "[]", '{"s": [{"train": []}]}', '{"s": [{"train": [1], "valid": [], "test": []}]}', '{"s": 3}'])
def test_a_file_that_is_no_table_of_folds_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "splits.json").write_text(text)
    with pytest.raises(SplitError, match=r"splits\.json"):
        read_splits(tmp_path)


@pytest.mark.parametrize("rules", [{"train-tset": "none"}, {"train-test": "dialogue"}])
def test_a_misspelt_rule_is_an_error(rules: dict) -> None:
    with pytest.raises(SplitError, match="disjoint"):
        check_disjoint(FOLD, MANIFEST, rules, "task t")
