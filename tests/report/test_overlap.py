"""What parts share is counted, and said where the task declares it."""

import dataclasses

import pytest

from pipeline.clips.clip import Clip
from pipeline.clips.manifest import Manifest
from pipeline.clips.splits import Fold
from pipeline.report.overlap import describe_fold, explain_overlap

NONE = dict.fromkeys(("train-valid", "train-test", "valid-test"), "none")


def make_parts(**parts):
    """Return a manifest and a fold from "speaker recording" words of each part."""
    clips = {
        part: [Clip(f"{part}{i}", speaker=w.split()[0], group=w.split()[1]) for i, w in enumerate(words)] for part, words in parts.items()
    }
    return Manifest(c for of_part in clips.values() for c in of_part), Fold.of({part: [c.id for c in cs] for part, cs in clips.items()})


@pytest.fixture
def parts():
    return make_parts(train=["x a", "x b", "y c"], valid=["x a", "y c"], test=["x a", "y d", "z b"])


def say(folds, disjoint, copies=None):
    """Return what the report says."""
    return [paragraph.text for paragraph in explain_overlap({"config": {"disjoint": disjoint}, "folds": folds, "copies": copies})]


def test_recordings_and_speakers_are_counted_by_pair_and_over_all_parts(parts):
    found = describe_fold(parts[1], parts[0])
    assert {part: found[part] for part in ("train", "valid", "test")} == {"train": 3, "valid": 2, "test": 3}
    assert found["distinct"] == {"group": 4, "speaker": 3}
    assert found["in_all_parts"] == {"group": 1, "speaker": 2}
    assert (found["overlap"]["train-test"]["group"], found["overlap"]["train-test"]["speaker"]) == (2, 2)


def test_declared_overlap_is_said_as_n_of_m(parts):
    (text,) = say([describe_fold(parts[1], parts[0])], NONE)
    assert "1 of 4 recordings stand in all three parts; train-valid share 2, train-test share 2, valid-test share 1." in text
    assert "2 of 3 speakers stand in all three parts" in text


def test_only_the_pairs_that_are_declared_are_said_and_nothing_where_all_are_disjoint(parts):
    fold = describe_fold(parts[1], parts[0])
    (text,) = say([fold], {"train-test": "none"})
    assert "train-test share 2" in text
    assert "train-valid share" not in text
    assert say([fold], {"train-test": "group"}) == []


def test_several_folds_are_said_by_their_smallest_and_largest_number(parts):
    other = make_parts(train=["x a"], valid=["x a"], test=["x a"])
    (text,) = say([describe_fold(parts[1], parts[0]), describe_fold(other[1], other[0])], NONE)
    assert "1 of 1 to 4 recordings stand in all three parts in each of 2 folds; train-valid share 1 to 2" in text


def test_unknown_speakers_are_said_to_be_unknown(parts):
    manifest = Manifest(dataclasses.replace(clip, speaker=None) for clip in parts[0])
    (text,) = say([describe_fold(parts[1], manifest)], NONE)
    assert "Its speakers are not known." in text


def test_copies_of_media_and_of_features_are_counted_over_the_folds(parts):
    manifest = Manifest(dataclasses.replace(clip, digest="same", end=1.0) if clip.group == "a" else clip for clip in parts[0])
    (text,) = say([describe_fold(parts[1], manifest)], {}, [{"train-test": 2}])
    assert "Copies: 1 of 3 test clips have the media of a train clip." in text
    assert "Copies: 2 of 3 test clips have the features of a train clip." in text
