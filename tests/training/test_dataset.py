"""Batches cut from packed arrays: right values, right masks, an order that depends on seed and epoch alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.embed.encoder import Encoder
from pipeline.errors import CacheError
from pipeline.shards.extractor import Skip
from pipeline.shards.features import read_features
from pipeline.shards.shard import ShardRow
from pipeline.training.dataset import (
    FoldData,
    Mover,
    Packed,
    check_finite,
    compute_statistics,
    leads_with_cls,
)
from pipeline.training.zoo import TrainConfig, ZooRow
from tests.conftest import make_features, make_row


def make_packed(lengths: list[int], dim: int = 3) -> Packed:
    """Clips of these lengths, packed in reverse order, whose steps count up."""
    values = np.arange(sum(lengths) * dim, dtype=np.float16).reshape(-1, dim)
    start = np.array([sum(lengths[i + 1 :]) for i in range(len(lengths))], dtype=np.int64)
    return Packed.of(values, start, np.array(lengths, dtype=np.int64))


def make_data(lengths: list[int]) -> FoldData:
    """A fold whose train part is all its clips."""
    index, packed = torch.arange(len(lengths)), make_packed(lengths)
    return FoldData(tuple(f"c{i}" for i in index), {"train": index}, {"text": packed}, {}, {"M": torch.rand(len(lengths), 1)}, {})


def test_a_gathered_batch_holds_each_clips_steps_and_zeros() -> None:
    packed = make_packed([2, 4, 1])
    features, padding_mask = packed.gather(torch.tensor([1, 2]))
    assert features.dtype == torch.float32
    assert padding_mask.tolist() == [[False] * 4, [False, True, True, True]]
    assert features[0].tolist() == packed.values[1:5].tolist()
    assert features[1, 0].tolist() == packed.values[0].tolist()
    assert not features[1, 1:].any()


def test_a_clip_without_steps_is_all_padding_and_not_present() -> None:
    data = make_data([0, 2])
    batch = data.batch(torch.tensor([0]))
    assert batch.padding_mask["text"].tolist() == [[True]]
    assert batch.present["text"].tolist() == [False]
    assert data.clips_with_input("train").tolist() == [1]


def test_packing_copies_nothing() -> None:
    values = np.zeros((4, 2), np.float16)
    packed = Packed.of(values, np.zeros(1, np.int64), np.ones(1, np.int64))
    values[0, 0] = 7
    assert float(packed.values[0, 0]) == 7


def test_statistics_are_those_of_the_real_steps() -> None:
    packed = make_packed([2, 4, 1, 0])
    mean, sd = compute_statistics(packed, torch.tensor([0, 2, 3]))
    steps = torch.cat([packed.values[5:7], packed.values[0:1]]).float()
    torch.testing.assert_close(mean, steps.mean(0))
    torch.testing.assert_close(sd, steps.std(0, correction=0))


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused_by_the_clips_names(tmp_path: Path, number: float) -> None:
    rows = [make_row(i) for i in "abcd"] + [ShardRow("e", f"{'e':f>40}", Skip("no_audio"))]
    folder = make_features(tmp_path / "whole", rows)
    check_finite(read_features(folder))
    for row in (rows[1], rows[3]):
        row.content["sequence"][-1, 2] = number
    spoilt = read_features(make_features(tmp_path / "spoilt", rows))
    with pytest.raises(CacheError, match=r"for 2 clips: b, d; correct the file"):
        check_finite(spoilt)


def test_only_a_text_encoder_that_puts_a_cls_first_leads_with_one() -> None:
    bert = Encoder("text", "text", {}, {"config": {"model_type": "bert"}}, {}, "")
    assert leads_with_cls(bert)
    assert not leads_with_cls(replace(bert, architecture={"config": {"model_type": "t5"}}))
    assert not leads_with_cls(replace(bert, network="hf_audio"))
    assert not leads_with_cls(None)  # imported features


def test_a_models_spec_says_which_of_its_modalities_lead_with_a_cls() -> None:
    data = replace(make_data([2, 1]), leads_with_cls=("text", "audio"))
    assert data.spec("regression", 1).leads_with_cls == ("text",)
    assert data.to(Mover(torch.device("cpu"))).spec("regression", 1).leads_with_cls == ("text",)


@pytest.mark.parametrize(
    ("model", "cls", "steps"), [("self_mm", ("text",), [1, 1, 0]), ("self_mm", (), [4, 2, 0]), ("mult", ("text",), [4, 2, 0])]
)
def test_no_step_but_the_cls_is_kept_for_a_model_that_reads_no_other(model: str, cls: tuple[str, ...], steps: list[int]) -> None:
    row = ZooRow(model, model, {}, TrainConfig((0,), 1, 1, 1, 1e-3, 0.0, 0.0))
    data = replace(make_data([4, 2, 0]), leads_with_cls=cls).read_by(row)
    assert data.sequences["text"].length.tolist() == steps


def test_folds_share_one_copy_on_another_device() -> None:
    data, move = make_data([2, 1]), Mover(torch.device("meta"))
    other = replace(data, sequences={m: replace(x, values=x.values.view_as(x.values)) for m, x in data.sequences.items()})  # as folds do
    there, there_too = data.to(move), other.to(move)
    for m, packed in there.sequences.items():
        assert packed.values.is_meta
        assert packed.values is there_too.sequences[m].values


def test_a_clip_is_truncated_at_its_end_and_counted() -> None:
    data, counts = make_data([2, 4, 7]).truncate({"text": 3})
    assert counts == {"text": 2}
    assert data.sequences["text"].length.tolist() == [2, 3, 3]
    assert torch.equal(
        data.batch(torch.tensor([2])).features["text"], make_data([2, 4, 7]).batch(torch.tensor([2])).features["text"][:, :3]
    )
    assert make_data([2, 4]).truncate({})[1] == {}
