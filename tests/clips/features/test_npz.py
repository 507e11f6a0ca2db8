"""Numpy arrays with ids: what the row maps to clips, labels and splits, and what is wrong with a file."""

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.clips.features import read_feature_set
from pipeline.errors import ManifestError, ParamsError, SplitError
from tests.clips.features.files import read

ROW = {
    "format": "npz",
    "ids": "id",
    "modalities": {"text": "words", "audio": "sound"},
    "group": "^(.+)_",
    "labels": {"polarity": {"column": "label", "names": {"0": "negative", "1": "positive"}}, "valence": "valence"},
    "splits": {"given": {"column": "split", "valid_groups": 2}},
}


def make_arrays() -> dict[str, np.ndarray]:
    """Twelve clips of six videos."""
    rng = np.random.default_rng(0)
    return {
        "id": np.array([f"video{k // 2}_{k}" for k in range(12)]),
        "words": rng.normal(size=(12, 5)).astype(np.float16),
        "sound": rng.normal(size=(12, 3)),
        "label": np.arange(12) % 2,
        "valence": np.linspace(-3, 3, 12),
        "split": np.array(["train"] * 8 + ["test"] * 4),
        "codes": np.stack([np.arange(12), np.arange(12) // 2], axis=1),
    }


def save(path: Path, **changes: Any) -> Path:
    np.savez(path, **{**make_arrays(), **changes})
    return path


def test_one_vector_a_clip_becomes_a_sequence_of_one_step(tmp_path: Path) -> None:
    found = read(save(tmp_path / "a.npz"), **ROW)
    arrays = make_arrays()
    np.testing.assert_array_equal(found.sequences["text"]["video1_3"], arrays["words"][3:4])
    assert found.sequences["text"]["video1_3"].dtype == np.float16
    np.testing.assert_array_equal(found.sequences["audio"]["video1_3"], arrays["sound"][3:4].astype(np.float32))
    assert found.manifest["video1_3"].labels == {"polarity": "positive", "valence": pytest.approx(-3 + 18 / 11)}


def test_valid_groups_leave_the_train_part_as_wholes_and_always_the_same_ones(tmp_path: Path) -> None:
    found = read(save(tmp_path / "a.npz"), **ROW)
    fold = found.splits["given"][0]
    assert [len(fold.part(part)) for part in ("train", "valid", "test")] == [4, 4, 4]
    groups = {part: {i.split("_")[0] for i in fold.part(part)} for part in ("train", "valid", "test")}
    assert not groups["train"] & groups["valid"]
    reordered = {name: array[::-1] for name, array in make_arrays().items()}
    assert read(save(tmp_path / "b.npz", **reordered), **ROW).splits == found.splits


def test_folds_are_rotated_over_speakers(tmp_path: Path) -> None:
    row = {**ROW, "speaker": "^(.+)_", "splits": {"speakers": {"rotate": 3}}}
    folds = read(save(tmp_path / "a.npz"), **row).splits["speakers"]
    assert [len(fold.test) for fold in folds] == [4, 4, 4]
    assert folds[0].valid == folds[1].test
    with pytest.raises(SplitError, match="12 clips have no speaker"):
        read(tmp_path / "a.npz", **{**row, "speaker": None})


def test_lists_beside_the_file_name_ids_or_groups(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("video0\nvideo1\n")
    (tmp_path / "test.txt").write_text("video5_11\n")
    row = {**ROW, "splits": {"lists": {"lists": {"train": "train.txt", "test": "test.txt"}}}}
    fold = read(save(tmp_path / "a.npz"), **row).splits["lists"][0]
    assert (fold.train, fold.test) == (("video0_0", "video0_1", "video1_2", "video1_3"), ("video5_11",))


def test_a_label_may_be_a_column_of_a_matrix(tmp_path: Path) -> None:
    row = {**ROW, "labels": {"code": {"column": "codes", "index": 1}}}
    assert read(save(tmp_path / "a.npz"), **row).manifest["video1_3"].labels == {"code": 1.0}


def test_a_folder_of_npy_files_and_a_dictionary_in_one_are_read_alike(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name, array in make_arrays().items():
        np.save(tmp_path / "folder" / f"{name}.npy", array)
    np.save(tmp_path / "table.npy", make_arrays(), allow_pickle=True)  # type: ignore[arg-type]
    of_npz, of_folder, of_table = (read(path, **ROW) for path in (save(tmp_path / "a.npz"), tmp_path / "folder", tmp_path / "table.npy"))
    for other in (of_folder, of_table):
        assert (other.splits, list(other.manifest)) == (of_npz.splits, list(of_npz.manifest))
        np.testing.assert_array_equal(other.sequences["audio"]["video1_3"], of_npz.sequences["audio"]["video1_3"])


def test_sequences_of_their_own_lengths_are_read(tmp_path: Path) -> None:
    ragged = np.empty(12, object)
    for k in range(12):
        ragged[k] = np.full((k + 1, 2), k, np.float32)
    padded, lengths = np.ones((12, 4, 3), np.float32), np.arange(12) % 4 + 1
    path = save(tmp_path / "a.npz", words=ragged, sound=padded, sound_lengths=lengths)
    found = read(path, **ROW, lengths={"audio": "sound_lengths"})
    assert len(found.sequences["text"]["video1_3"]) == 4
    assert len(found.sequences["audio"]["video1_2"]) == 3


@pytest.mark.parametrize(
    ("changes", "row", "message"),
    [
        ({}, {"ids": "name"}, "has no array `name`; it has id, words"),
        ({}, {"modalities": {"text": "word"}}, "has no array `word` with as many entries"),
        ({}, {"modalities": {"touch": "words"}}, "touch is no modality"),
        ({"words": np.zeros((3, 2))}, {}, r"`words` with as many entries as `id` \(12\); it has id \(12\), words \(3\)"),
        ({"id": np.array(["a_1"] * 12)}, {}, "stand more than once"),
        ({"id": np.array([f"v_{k}\t" for k in range(12)])}, {}, "printable"),
        ({"id": np.zeros(12)}, {}, "not one text a clip"),
        ({"id": np.arange(12)}, {}, "has no group by the rule"),
        ({"label": np.full(12, 2)}, {}, "`label` holds '2', which `names` does not name"),
        ({}, {"labels": {"a": "codes"}}, "needs `index`"),
        ({}, {"labels": {"a": {"column": "codes", "index": 2}}}, "has no value 2"),
        ({}, {"group": "^(.+"}, "no regular expression"),
        ({}, {"splits": {"lists": {"lists": {"train": "absent.txt"}}}}, "not a readable list"),
    ],
)
def test_a_file_that_does_not_fit_its_row_is_told(tmp_path: Path, changes: dict[str, Any], row: dict[str, Any], message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        read(save(tmp_path / "a.npz", **changes), **{**ROW, **row})


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"splits": {"a": {"column": "split", "rotate": 6}}}, "exactly one of"),
        ({"splits": {"a": {"rotate": 6, "valid_groups": 1}}}, "makes a valid part itself"),
        ({"splits": {"a": {"lists": {"dev": "x"}}}}, "`lists` maps"),
        ({"expected": {"b": {"train": 1}}}, "`expected` maps splits"),
        ({"padding": "left"}, "must be one of"),
    ],
)
def test_a_row_that_makes_no_sense_is_told(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        read(tmp_path / "a.npz", **{**ROW, **row})


def header_only(shape: str, descr: str = "'<f8'") -> bytes:
    """A .npy file whose header claims a shape, with one number behind it."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(8)


class Hostile:
    """Pickled as a call that makes a file."""

    def __init__(self, ran: Path) -> None:
        self.ran = ran

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.ran}",)


@pytest.mark.parametrize("shape", ["(1000000000000,)", "(10000000000, 10000000000)", "(3,)"])
def test_a_header_that_claims_more_than_there_is_takes_no_memory(tmp_path: Path, shape: str) -> None:
    (tmp_path / "a.npy").write_bytes(header_only(shape))
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("id.npy", header_only(shape))
    for name in ("a.npy", "a.npz"):
        with pytest.raises(ManifestError, match=r"claims \d+ bytes in its header and holds 8"):
            read(tmp_path / name, **ROW)


def test_a_hostile_object_array_is_refused_and_nothing_of_it_runs(tmp_path: Path) -> None:
    objects = np.array([Hostile(tmp_path / "ran")] * 12, object)
    np.save(tmp_path / "a.npy", objects)
    for path in (save(tmp_path / "a.npz", words=objects), tmp_path / "a.npy"):
        with pytest.raises(ManifestError, match=r"posix.system.*nothing of it was executed"):
            read(path, **ROW)
    assert not (tmp_path / "ran").exists()


def test_an_object_array_of_another_shape_than_announced_is_refused(tmp_path: Path) -> None:
    file = io.BytesIO(header_only("(1000000000000,)", "'|O'")[:-8] + pickle.dumps(np.array([None], object)))
    (tmp_path / "a.npy").write_bytes(file.getvalue())
    with pytest.raises(ManifestError, match="does not hold the array that its header announces"):
        read(tmp_path / "a.npy", **ROW)


@pytest.mark.parametrize("data", [b"", b"id,label\n", b"PK\x03\x04 torn", b"\x93NUMPY\x01\x00"])
def test_a_file_of_another_kind_is_told(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(ManifestError, match="not a readable file of numpy arrays"):
        read(tmp_path / "a.npz", **ROW)
    with pytest.raises(ManifestError, match="does not exist"):
        read(tmp_path / "b.npz", **ROW)


def test_a_torn_archive_is_told(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz")
    data = bytearray(path.read_bytes())
    data[300:310] = bytes(10)
    path.write_bytes(data)
    with pytest.raises(ManifestError):
        read(path, **ROW)


def test_an_unknown_row_and_format_are_told(tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    params.write_text("feature_sets:\n  mine: {format: hdf, features: x}\n  other: {features: x}\n")
    with pytest.raises(ParamsError, match="one of csd, mmsa, npz"):
        read_feature_set(params, "mine", tmp_path)
    with pytest.raises(ParamsError, match="lacks `format`"):
        read_feature_set(params, "other", tmp_path)
    with pytest.raises(ParamsError, match="has no row `theirs`; its rows: mine, other"):
        read_feature_set(params, "theirs", tmp_path)
