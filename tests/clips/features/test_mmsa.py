"""MMSA's and MMSA-FET's pickles: padding cut, labels and parts kept, what is wrong told."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.clips.features.feature_set import FeatureSet
from pipeline.errors import ManifestError, ParamsError
from tests.clips.features.files import SIZES, make_mmsa, read

KEYS = {"text": "text", "audio": "audio", "video": "vision"}


def sequences_of(table: dict[str, Any], key: str, lengths: Any) -> dict[str, np.ndarray]:
    """What each clip's sequence has to be."""
    return {i: part[key][k][: lengths(part)[k]].astype(np.float32) for part in table.values() for k, i in enumerate(part["id"].tolist())}


def check(found: FeatureSet, table: dict[str, Any], lengths: dict[str, Any]) -> None:
    for modality, key in KEYS.items():
        wanted = sequences_of(table, key, lengths[modality])
        assert found.sequences[modality].keys() == wanted.keys()
        for clip_id, array in wanted.items():
            np.testing.assert_array_equal(found.sequences[modality][clip_id], array)


def mask_lengths(part: dict[str, Any]) -> np.ndarray:
    return part["text_bert"][:, 1].sum(axis=1).astype(int)


@pytest.mark.parametrize("protocol", [2, 5])
def test_unaligned_features_are_cut_by_their_lengths_and_the_texts_mask(tmp_path: Path, protocol: int) -> None:
    table = make_mmsa(tmp_path / "a.pkl", protocol=protocol)
    found = read(tmp_path / "a.pkl", format="mmsa")
    check(found, table, {"text": mask_lengths, "audio": lambda p: p["audio_lengths"], "video": lambda p: p["vision_lengths"]})


def test_aligned_features_are_as_long_as_their_text(tmp_path: Path) -> None:
    table = make_mmsa(tmp_path / "a.pkl", aligned=True)
    check(read(tmp_path / "a.pkl", format="mmsa"), table, dict.fromkeys(KEYS, mask_lengths))


def test_without_lengths_and_mask_zero_steps_at_the_end_are_padding(tmp_path: Path) -> None:
    table = make_mmsa(tmp_path / "a.pkl", aligned=True, change=lambda t: [part.pop("text_bert") for part in t.values()])
    lengths = {m: (lambda p, key=key: [(step != 0).any(1).sum() for step in p[key]]) for m, key in KEYS.items()}
    check(read(tmp_path / "a.pkl", format="mmsa"), table, lengths)


def test_padding_at_the_start_is_cut_there(tmp_path: Path) -> None:
    table = make_mmsa(tmp_path / "a.pkl")
    flipped = {n: {k: v[:, ::-1] if k in KEYS.values() else v for k, v in part.items()} for n, part in table.items()}
    (tmp_path / "b.pkl").write_bytes(pickle.dumps(flipped))
    end, start = read(tmp_path / "a.pkl", format="mmsa"), read(tmp_path / "b.pkl", format="mmsa", padding="start")
    for clip_id, array in end.sequences["audio"].items():
        np.testing.assert_array_equal(start.sequences["audio"][clip_id], array[::-1])


def test_parts_labels_texts_and_videos_become_clips_and_a_split(tmp_path: Path) -> None:
    table = make_mmsa(tmp_path / "a.pkl")
    found = read(tmp_path / "a.pkl", format="mmsa")
    fold = found.splits["standard"][0]
    assert {part: len(fold.part(part)) for part in SIZES} == SIZES
    clip = found.manifest["train_1$_$0002"]
    assert (clip.text, clip.group, clip.speaker, clip.media) == ("text 2, 表达", "train_1", None, None)
    labels = {"sentiment": "regression_labels", **{f"sentiment_{m}": f"regression_labels_{m}" for m in "TAV"}}
    assert {name: clip.labels[name] for name in labels} == {name: table["train"][key][2] for name, key in labels.items()}
    assert (clip.labels["annotation"], clip.labels["class"]) == ("Neutral", 1.0)


def as_fet(table: dict[str, Any]) -> None:
    """MMSA-FET writes no classification labels, and drops unimodal labels and modalities that were not asked for."""
    for part in table.values():
        for key in (
            "classification_labels",
            "regression_labels_T",
            "regression_labels_A",
            "regression_labels_V",
            "vision",
            "vision_lengths",
        ):
            part.pop(key)
        part["audio_lengths"] = np.array(part["audio_lengths"])


def test_what_mmsa_fet_writes_is_read(tmp_path: Path) -> None:
    make_mmsa(tmp_path / "feature.pkl", change=as_fet, protocol=5)
    found = read(tmp_path / "feature.pkl", format="mmsa")
    assert list(found.sequences) == ["text", "audio"]
    assert set(found.manifest[0].labels) == {"sentiment", "annotation"}


def test_a_clip_of_length_nought_lacks_the_modality(tmp_path: Path) -> None:
    make_mmsa(tmp_path / "a.pkl", change=lambda t: t["test"]["audio_lengths"].__setitem__(0, 0))
    found = read(tmp_path / "a.pkl", format="mmsa")
    assert "test_0$_$0000" not in found.sequences["audio"]
    assert "test_0$_$0000" in found.sequences["video"]


def spoil(table: dict[str, Any]) -> None:
    table["train"]["audio"][0, 0, 1] = -np.inf
    table["valid"]["audio"][1, 0, :2] = np.nan


def test_infinities_are_an_error_unless_the_row_replaces_them(tmp_path: Path) -> None:
    make_mmsa(tmp_path / "a.pkl", change=spoil)
    with pytest.raises(ManifestError, match=r"audio: 3 numbers of 2 clips are NaN or infinite: train_0.*replace_nonfinite"):
        read(tmp_path / "a.pkl", format="mmsa")
    found = read(tmp_path / "a.pkl", format="mmsa", replace_nonfinite=True)
    assert found.replaced == {"audio": 3}
    assert found.sequences["audio"]["train_0$_$0000"][0, 1] == 0


def test_what_lies_in_the_padding_does_not_matter(tmp_path: Path) -> None:
    def change(table: dict[str, Any]) -> None:
        table["train"]["audio_lengths"][0] = 2
        table["train"]["audio"][0, 2:] = -np.inf

    make_mmsa(tmp_path / "a.pkl", change=change)
    assert len(read(tmp_path / "a.pkl", format="mmsa").sequences["audio"]["train_0$_$0000"]) == 2


def test_features_may_be_a_list_of_arrays_of_their_own_lengths(tmp_path: Path) -> None:
    make_mmsa(
        tmp_path / "a.pkl",
        change=lambda t: [part.update(vision=[x[:2] for x in part["vision"]]) or part.pop("vision_lengths") for part in t.values()],
    )
    assert {len(x) for x in read(tmp_path / "a.pkl", format="mmsa").sequences["video"].values()} <= {1, 2}


def drop(*keys: str) -> Any:
    return lambda table: [part.pop(key) for part in table.values() for key in keys]


LABELS = ("annotations", "classification_labels", "regression_labels", *(f"regression_labels_{m}" for m in "TAV"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t["train"]["audio_lengths"].__setitem__(0, 7), r"the lengths of 1 clips lie beyond .*train_0\$_\$0000 \(7 of 6\)"),
        (lambda t: t["train"]["audio_lengths"].pop(), "4 lengths for 5 ids"),
        (lambda t: t["train"]["id"].__setitem__(1, "train_0$_$0000"), "stand more than once: train_0"),
        (lambda t: t["test"]["id"].__setitem__(0, "../../x"), "leads elsewhere"),
        (lambda t: t["test"]["id"].__setitem__(0, "a\nb"), "printable"),
        (drop("id"), "train has no `id`; it has raw_text"),
        (drop(*LABELS), "has no labels: none of regression_labels"),
        (drop("text", "audio", "vision"), "holds no features"),
        (lambda t: t["train"].pop("audio"), "train has no `audio`"),
        (lambda t: t["train"].update(audio=t["train"]["audio"][:3]), "holds 3 arrays for 5 ids"),
        (lambda t: t["train"].update(audio=t["train"]["audio"][..., :2]), "steps of more than one kind"),
        (lambda t: t["train"].update(audio="none"), "not numbers"),
        (lambda t: t["train"].update(regression_labels=np.zeros(7)), "has 7 values for 5 ids"),
        (lambda t: t["train"].update(regression_labels=[[1], [1, 2], 3, 4, 5]), "no array of one value a clip"),
        (lambda t: t["train"].update(id=[["a"], ["b", "c"]]), "`id` is no array"),
        (lambda t: [t.pop(name) for name in list(t)], "needs dictionaries train, valid, test"),
    ],
)
def test_a_file_that_is_wrong_is_told(tmp_path: Path, change: Any, message: str) -> None:
    make_mmsa(tmp_path / "a.pkl", change=change)
    with pytest.raises(ManifestError, match=message):
        read(tmp_path / "a.pkl", format="mmsa")


def test_another_kind_of_pickle_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(ManifestError, match="it is a list"):
        read(tmp_path / "a.pkl", format="mmsa")


def test_tensors_of_torch_are_refused_with_a_remedy(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    make_mmsa(tmp_path / "a.pkl", change=lambda t: t["train"].update(audio=torch.ones(5, 6, 4)))
    with pytest.raises(ManifestError, match=r"torch.*`\.numpy\(\)`"):
        read(tmp_path / "a.pkl", format="mmsa")


def test_other_numbers_of_clips_than_the_published_ones_are_told_or_recorded(tmp_path: Path) -> None:
    make_mmsa(tmp_path / "a.pkl")
    row = {"format": "mmsa", "splits": {"standard": {"column": "part"}}, "expected": {"standard": {"train": 1368, "test": 2}}}
    with pytest.raises(ManifestError, match=r"clips of the split `standard` \(train\): 5 of 1368.*partial: true"):
        read(tmp_path / "a.pkl", **row)
    assert [d.found for d in read(tmp_path / "a.pkl", partial=True, **row).discrepancies] == [5]


def test_unknown_keys_of_a_row_are_told(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="unknown key `padded`"):
        read(tmp_path / "a.pkl", format="mmsa", padded="end")
