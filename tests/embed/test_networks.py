"""What each kind of network computes, against the sources' own numbers and independent references."""

import librosa
import numpy as np
import pytest
import torch

from pipeline.embed.davenet import DaveNetModule, Options
from pipeline.embed.deltas import delta
from pipeline.embed.logmel_functionals import functionals
from pipeline.embed.network import make_network
from pipeline.embed.pictures import decode_faces
from pipeline.embed.text import TextEncoder
from pipeline.embed.video3d import sample_evenly
from pipeline.embed.windows import cut_windows
from pipeline.errors import CheckpointError
from pipeline.shards.extractor import Skip
from tests.embed.rows import make_faces, make_logmel, make_picture, make_tokens


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("num_frames", [9, 10, 300])
def test_deltas_are_librosas(order: int, num_frames: int) -> None:
    values = np.random.default_rng(0).normal(size=(num_frames, 40)).astype(np.float32)
    np.testing.assert_allclose(delta(values, order), librosa.feature.delta(values.T, order=order).T, atol=1e-5)


@pytest.mark.parametrize(
    ("num_frames", "expected"),
    [(1, [0] * 16), (16, list(range(16))), (17, list(range(16))), (18, [*range(0, 18, 2), *range(0, 14, 2)]), (33, list(range(0, 32, 2)))],
)
def test_frames_are_sampled_as_the_source_does(num_frames: int, expected: list[int]) -> None:
    assert sample_evenly(num_frames, 16).tolist() == expected


@pytest.mark.parametrize(("num_frames", "count"), [(1, 1), (299, 1), (300, 1), (495, 1), (496, 2), (600, 2), (700, 2), (800, 3)])
def test_windows_follow_the_rule_of_65_percent(num_frames: int, count: int) -> None:
    windows = cut_windows(make_logmel(num_frames)["logmel"], 300, 0.65)
    assert not isinstance(windows, Skip)
    assert [window.shape for window in windows] == [(300, 40)] * count


def test_what_is_missing_of_a_window_is_the_clips_quietest_value() -> None:
    values = make_logmel(200)["logmel"]
    (window,) = cut_windows(values, 300, 0.65)  # type: ignore[misc]
    np.testing.assert_array_equal(window[:200], values)
    assert np.unique(window[200:]).tolist() == [values.min()]


def test_davenet_gives_ten_steps_of_512_for_three_seconds() -> None:
    module = DaveNetModule(Options()).eval()
    with torch.inference_mode():
        assert module(torch.zeros(2, 3, 40, 300)).shape == (2, 10, 512)
    assert sum(p.numel() for p in module.parameters()) == 6 + 7744 + 90240 + 557312 + 1114368 + 2228736 + 2621952


def test_functionals_are_numpys() -> None:
    values = np.random.default_rng(0).normal(size=(50, 3))
    found = functionals(values).reshape(5, 3)
    np.testing.assert_allclose(found[4], np.polyfit(np.arange(50), values, 1)[0], atol=1e-6)
    np.testing.assert_allclose(found[:4], [values.mean(0), values.std(0), values.min(0), values.max(0)], rtol=1e-5)


def test_vggish_flattens_height_then_width_then_channel() -> None:
    network = make_network("vggish", {}, {})
    module = network.build().eval()
    units = network.prepare(make_logmel(200, 64))
    with torch.inference_mode():
        features = module.features(network.collate(units))  # type: ignore[arg-type]
        assert features.shape == (2, 512, 6, 4)
        flat = features.permute(0, 2, 3, 1).reshape(2, -1)
        np.testing.assert_allclose(module.embeddings(flat).numpy(), network.encode(module, network.collate(units), False)["sequence"][:, 0])  # type: ignore[arg-type]


def test_pictures_are_rgb_and_keep_their_pixels() -> None:
    row = make_faces(2, 1, seed=3)
    picture = decode_faces(row, 260, np.array([2]))[0].numpy()  # type: ignore[index]
    assert np.abs(picture[:, :, ::-1].astype(int) - make_picture(3001)).mean() < 6


def test_a_smaller_picture_is_decoded_at_less_cost_and_looks_the_same() -> None:
    row = make_faces(1, seed=3)
    whole = decode_faces(row, 260, np.array([0]))[0].float()  # type: ignore[index]
    small = decode_faces(row, 112, np.array([0]))[0].float()  # type: ignore[index]
    pooled = torch.nn.functional.interpolate(whole.permute(2, 0, 1)[None], size=112, mode="area")[0].permute(1, 2, 0)
    assert (pooled - small).abs().mean() < 4


def test_3d_networks_sample_their_frames_from_the_found_ones() -> None:
    network = make_network("video3d", {"model": "mc3_18", "num_frames": 4, "image_size": 32}, {})
    (unit,) = network.prepare(make_faces(3, 2, size=80))  # type: ignore[misc]
    assert unit.shape == (4, 32, 32, 3)
    assert torch.equal(unit[3], unit[0])
    np.testing.assert_allclose(network.times(make_faces(3, 2, size=80), 4), np.array([2, 3, 4, 2]) / 3, atol=1e-6)


def test_log_mels_of_another_preset_are_refused() -> None:
    with pytest.raises(CheckpointError, match="64 bands and the encoder reads 40; compute them with preset davenet"):
        make_network("davenet", {}, {}).prepare(make_logmel(300, 64))


def test_tokens_of_another_tokenizer_are_refused() -> None:
    encoder = TextEncoder({}, {"config": {"vocab_size": 60, "max_position_embeddings": 64}, "tokenizer_digest": "a"})
    encoder.check_features({"digest": "a", "vocab_size": 60})
    for header in ({"digest": "b", "vocab_size": 60}, {"vocab_size": 61}):
        with pytest.raises(CheckpointError, match="name the encoder's tokenizer in the row of `tokens`"):
            encoder.check_features(header)
    with pytest.raises(CheckpointError, match="beyond the encoder's vocabulary"):
        encoder.prepare(make_tokens(5, vocabulary=900))
    with pytest.raises(CheckpointError, match="lower the tokens' max_length"):
        encoder.prepare(make_tokens(65))
