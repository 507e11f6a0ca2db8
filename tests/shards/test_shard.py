"""The shard format: round trips, repeatable bytes, and damage that is always told."""

import multiprocessing
import random
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ShardError
from pipeline.shards.extractor import Skip
from pipeline.shards.features import read_features
from pipeline.shards.shard import ShardRow, read_shard, write_shard
from tests.conftest import make_features, make_header, make_row


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    rows = [make_row("a", 3), ShardRow("b", "f" * 40, Skip("no_face")), make_row("ç 人", 0), make_row("d", 700)]
    write_shard(tmp_path / "s.h5", rows, make_header(fps=2.5))
    shard = read_shard(tmp_path / "s.h5")
    assert shard.ids == ("a", "b", "ç 人", "d")
    assert shard.header.config_values == {"fps": 2.5}
    for places, read in (([0, 1, 2, 3], shard.read_rows), ([3], shard.read_rows), ([3, 0, 1, 2], shard.stream_rows)):
        for row, place in zip(read(places), places, strict=True):
            if isinstance(rows[place].content, Skip):
                assert row.content == rows[place].content
            else:
                assert all(np.array_equal(row.content[name], array) for name, array in rows[place].content.items())


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    rows = [make_row("a", 300), make_row("b", 2), ShardRow("c", "c" * 40, Skip("no_face"))]
    (tmp_path / "elsewhere").mkdir()
    write_shard(tmp_path / "one.h5", rows, make_header())
    write_shard(tmp_path / "elsewhere" / "two.h5", rows, make_header())
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "elsewhere" / "two.h5").read_bytes()


def test_two_that_write_one_shard_at_once_do_each_other_no_harm(tmp_path: Path) -> None:
    rows = [make_row("a", 300), make_row("b", 2)]
    write_shard(tmp_path / "alone.h5", rows, make_header())
    with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        list(pool.map(write_shard, [tmp_path / "s.h5"] * 60, [rows] * 60, [make_header()] * 60))
    assert (tmp_path / "s.h5").read_bytes() == (tmp_path / "alone.h5").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone.h5", "s.h5"]


def test_a_shard_of_skips_only_has_no_arrays(tmp_path: Path) -> None:
    write_shard(tmp_path / "s.h5", [ShardRow("a", "f" * 40, Skip("no_audio"))], make_header())
    assert read_shard(tmp_path / "s.h5").read_rows([0])[0].content == Skip("no_audio")


def test_no_shard_is_written_without_rows(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="without rows"):
        write_shard(tmp_path / "s.h5", [], make_header())


def test_rows_of_different_shapes_are_refused_by_name(tmp_path: Path) -> None:
    odd = make_row("b", sequence=np.zeros((2, 5), np.float16))
    with pytest.raises(ShardError, match="sequence of clip b"):
        write_shard(tmp_path / "s.h5", [make_row("a"), odd], make_header())
    assert not (tmp_path / "s.h5").exists()


def test_every_flipped_bit_is_an_error_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "s.h5"
    rows = [make_row("a", 40), make_row("b", 7), ShardRow("c", "c" * 40, Skip("no_face"))]
    write_shard(path, rows, make_header(fps=2))
    whole = path.read_bytes()
    healthy = read_shard(path)
    picks = random.Random(0)
    for _ in range(600):
        place, bit = picks.randrange(len(whole)), picks.randrange(8)
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << bit)]) + whole[place + 1 :])
        try:
            shard = read_shard(path)
            read = shard.read_rows([0, 1, 2])
            streamed = list(shard.stream_rows([0, 1, 2]))
        except ShardError:
            continue
        assert (shard.ids, shard.fingerprints, shard.header) == (healthy.ids, healthy.fingerprints, healthy.header), (place, bit)
        for found in (read, streamed):
            assert all(np.array_equal(found[i].content[n], rows[i].content[n]) for i in (0, 1) for n in ("sequence", "time")), (place, bit)


@pytest.mark.parametrize("keep", [0, 10, 600, -1])
def test_a_torn_shard_is_named_with_the_remedy(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "shard-00003.h5"
    write_shard(path, [make_row("a", 3000)], make_header())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ShardError, match=r"shard-00003\.h5.*delete it"):
        read_shard(path).verify()


def test_a_text_file_is_no_shard(tmp_path: Path) -> None:
    (tmp_path / "s.h5").write_text("hello")
    with pytest.raises(ShardError, match="not a readable shard"):
        read_shard(tmp_path / "s.h5")


def test_a_folder_is_read_as_one(tmp_path: Path) -> None:
    rows = [make_row("a", 5), make_row("b", 0), ShardRow("c", "c" * 40, Skip("no_face")), make_row("d", 9)]
    features = read_features(make_features(tmp_path / "f", rows))
    assert features.skips == {"c": "no_face"}
    assert "c" not in features
    assert "d" in features
    for row in rows:
        if not isinstance(row.content, Skip):
            assert np.array_equal(features[row.clip_id]["sequence"], row.content["sequence"])


def test_an_array_that_is_not_there_is_named(tmp_path: Path) -> None:
    folder = make_features(tmp_path / "f", [make_row("a")])
    with pytest.raises(ShardError, match="no array `map`; it has sequence, time"):
        read_features(folder, ["map"])


def test_shards_of_different_settings_are_not_mixed(tmp_path: Path) -> None:
    make_features(tmp_path / "f", [make_row("a"), make_row("b")])
    write_shard(tmp_path / "f" / "shard-00001.h5", [make_row("b")], make_header(fps=9))
    with pytest.raises(ShardError, match="other settings"):
        read_features(tmp_path / "f")


def test_an_empty_folder_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="dvc pull"):
        read_features(tmp_path)
