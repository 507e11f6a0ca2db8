"""The contract of every kind of network, and what the extractor promises."""

import os
import pickle
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.embed.embedding import EmbeddingExtractor, fill_up
from pipeline.embed.encoder import EncoderConfig
from pipeline.errors import CheckpointError, PipelineError
from pipeline.shards.executor import RunOptions, ShardSettings, run_sharded
from pipeline.shards.extractor import Extractor, FeatureRow, Row, Skip
from tests.embed.models import CASES, Case, make_artifact, make_extractor, make_sources, make_upstream
from tests.embed.rows import make_faces, make_logmel


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.id)
def embedded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, EmbeddingExtractor, list[Row]]:
    """A kind of network, and the embeddings of its rows in batches of three units."""
    torch.set_num_threads(1)
    extractor = make_extractor(request.param, tmp_path_factory.mktemp("encoder"))
    rows = [row for row in extractor.extract_stream(make_sources(request.param.rows)) if not isinstance(row, Skip)]
    return request.param, extractor, rows


def test_a_clip_alone_and_in_a_batch_agree(embedded: tuple[Case, EmbeddingExtractor, list[Row]]) -> None:
    case, extractor, rows = embedded
    for source, row in zip(make_sources(case.rows), rows, strict=True):
        alone = extractor.extract(source)
        assert not isinstance(alone, Skip)
        assert alone.keys() == row.keys()
        for name in row:
            np.testing.assert_allclose(alone[name].astype(np.float32), row[name].astype(np.float32), rtol=1e-3, atol=1e-3)


def test_the_same_stream_gives_the_same_bytes(embedded: tuple[Case, EmbeddingExtractor, list[Row]]) -> None:
    case, extractor, rows = embedded
    again = list(extractor.extract_stream(make_sources(case.rows)))
    assert [{name: array.tobytes() for name, array in row.items()} for row in again if not isinstance(row, Skip)] == [
        {name: array.tobytes() for name, array in row.items()} for row in rows
    ]


def test_sequences_are_float16_of_one_width_and_not_constant(embedded: tuple[Case, EmbeddingExtractor, list[Row]]) -> None:
    _, _, rows = embedded
    assert {(row["sequence"].dtype, row["sequence"].ndim) for row in rows} == {(np.dtype(np.float16), 2)}
    assert len({row["sequence"].shape[1] for row in rows}) == 1
    assert np.abs(rows[0]["sequence"][:1] - rows[1]["sequence"][:1]).max() > 0


def test_video_has_a_map_of_49_positions_and_audio_none(embedded: tuple[Case, EmbeddingExtractor, list[Row]]) -> None:
    case, _, rows = embedded
    maps = [row["map"].shape[0] for row in rows if "map" in row]
    assert maps == ([49] * len(rows) if case.modality == "video" else [])


def test_an_extractor_travels_without_its_network(embedded: tuple[Case, EmbeddingExtractor, list[Row]]) -> None:
    case, extractor, rows = embedded
    travelled = pickle.loads(pickle.dumps(extractor))
    row = travelled.extract(make_sources(case.rows)[0])
    np.testing.assert_allclose(row["sequence"].astype(np.float32), rows[0]["sequence"].astype(np.float32), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("device", "devices"), [("auto", ["cuda:0", "cuda:1"]), ("cuda:1", ["cuda:1"]), ("cpu", ["cpu"])])
def test_each_gpu_has_a_copy_and_its_share_of_the_threads(
    device: str, devices: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    extractor = make_extractor(CASES[5], tmp_path, threads=5)
    extractor.device_name = device
    copies = extractor.on_each_device()
    assert [(copy.device_name, copy.threads) for copy in copies] == [(name, 5 // len(devices)) for name in devices]
    assert (extractor.device_name, {copy.encoder_digest for copy in copies}) == (device, {extractor.encoder_digest})


class TwiceExtractor(EmbeddingExtractor):
    """Works on two devices, which are one here, and says which processes did."""

    def on_each_device(self) -> list[Extractor[FeatureRow]]:
        return [self, self]

    def extract_stream(self, sources: Iterable[FeatureRow]) -> Iterator[Row | Skip]:
        (self.folder / f"worker-{os.getpid()}").touch()
        yield from super().extract_stream(sources)


def test_two_devices_give_the_same_bytes_as_one(tmp_path: Path) -> None:
    one = make_extractor(CASES[5], tmp_path / "encoder")
    two = TwiceExtractor(tmp_path / "encoder", EncoderConfig("audio", "none", CASES[5].network, {}), {}, "cpu", threads=2, batch_size=3)
    features, settings = make_upstream(CASES[5], tmp_path / "features"), ShardSettings(2, 0.5)
    for name, extractor in (("one", one), ("two", two)):
        assert run_sharded(features, extractor, tmp_path / name, settings, RunOptions())["computed"] == 4
    one_bytes, two_bytes = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert (one_bytes == two_bytes, len(list((tmp_path / "encoder").glob("worker-*")))) == (True, 2)


def test_bf16_is_near_fp32_and_has_another_fingerprint(tmp_path: Path) -> None:
    exact = make_extractor(CASES[1], tmp_path)
    source = make_sources(CASES[1].rows)[0]
    row = EncoderConfig("video", "none", "timm_image", CASES[1].options, map=True, precision="bf16")
    rough = EmbeddingExtractor(tmp_path, row, {}, "cpu")
    a, b = (np.ravel(extractor.extract(source)["sequence"]).astype(np.float64) for extractor in (exact, rough))  # type: ignore[index]
    assert not np.array_equal(a, b)
    assert np.corrcoef(a, b)[0, 1] > 0.95
    assert exact.fingerprint(source) != rough.fingerprint(source)


def test_frames_without_a_face_leave_no_trace_but_a_gap_in_time(tmp_path: Path) -> None:
    extractor = make_extractor(CASES[0], tmp_path)
    plain, gaps = (extractor.extract(s) for s in make_sources([make_faces(3, 0, seed=5), make_faces(3, 2, seed=5)]))
    assert not isinstance(plain, Skip)
    assert not isinstance(gaps, Skip)
    np.testing.assert_array_equal(plain["sequence"], gaps["sequence"])
    np.testing.assert_allclose(gaps["time"], plain["time"] + 2 / 3, atol=1e-6)


def test_a_clip_that_gives_no_unit_is_skipped_in_its_place(tmp_path: Path) -> None:
    extractor = make_extractor(CASES[4], tmp_path)
    rows = list(extractor.extract_stream(make_sources([make_logmel(300), make_logmel(0), make_logmel(310)])))
    assert [isinstance(row, Skip) for row in rows] == [False, True, False]
    assert rows[1] == Skip("too_short")


def test_weights_that_were_changed_are_refused(tmp_path: Path) -> None:
    row = make_artifact(CASES[4], tmp_path)
    path = tmp_path / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="delete the folder and run prepare_encoder"):
        EmbeddingExtractor(tmp_path, row, {}, "cpu")


def test_an_artifact_of_another_row_is_refused(tmp_path: Path) -> None:
    make_artifact(CASES[4], tmp_path)
    other = EncoderConfig("audio", "none", "davenet", {"embed_dim": 64})
    with pytest.raises(CheckpointError, match="run prepare_encoder"):
        EmbeddingExtractor(tmp_path, other, {}, "cpu")


def test_numbers_beyond_float16_are_an_error_that_names_the_clip(tmp_path: Path) -> None:
    extractor = make_extractor(CASES[5], tmp_path)
    with pytest.raises(CheckpointError, match="clip-0"):
        extractor.extract(make_sources([{"logmel": np.full((100, 40), 1e6, np.float32)}])[0])


def refuse_more_than(most: int, extractor: EmbeddingExtractor, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Have the network fail as on a GPU without room for larger batches; return the sizes of those that it took."""
    took: list[int] = []
    encode = extractor.network.encode

    def scarce(module: torch.nn.Module, batch: torch.Tensor, with_map: bool) -> dict[str, torch.Tensor]:
        if len(batch) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        took.append(len(batch))
        return encode(module, batch, with_map)

    monkeypatch.setattr(extractor.network, "encode", scarce)
    return took


def test_a_batch_that_a_gpu_cannot_hold_is_halved_from_then_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = next(case for case in CASES if case.modality == "video")
    extractor = make_extractor(case, tmp_path)
    expected = list(extractor.extract_stream(make_sources(case.rows)))
    extractor._batch_size = 8
    took = refuse_more_than(2, extractor, monkeypatch)
    found = list(extractor.extract_stream(make_sources(case.rows)))
    assert max(took) == 2
    for row, other in zip(expected, found, strict=True):
        assert not isinstance(row, Skip)
        assert not isinstance(other, Skip)
        np.testing.assert_allclose(row["sequence"].astype(np.float32), other["sequence"].astype(np.float32), rtol=1e-3, atol=1e-3)


def test_a_gpu_too_small_for_one_input_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = next(case for case in CASES if case.modality == "video")
    extractor = make_extractor(case, tmp_path)
    refuse_more_than(0, extractor, monkeypatch)
    with pytest.raises(PipelineError, match="too little free memory"):
        list(extractor.extract_stream(make_sources(case.rows)))


@pytest.mark.parametrize(
    ("count", "full", "filled"),
    [(1, 256, 32), (32, 256, 32), (95, 256, 128), (129, 256, 256), (256, 256, 256), (3, 4, 4), (1, 1, 1), (9, 2, 9)],
)
def test_batches_on_a_gpu_have_a_few_sizes(count: int, full: int, filled: int) -> None:
    assert fill_up(count, full) == filled
