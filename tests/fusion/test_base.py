"""The registry, configuration errors and the standardising of inputs."""

import pytest
import torch

from pipeline.errors import ModelError
from pipeline.fusion.base import find_model, make_model, model_names
from tests.fusion.batches import DIMS, make_batch, make_criteria, make_small, make_spec, remove


def test_every_file_ends_with_its_model() -> None:
    assert {"constant", "linear", "concat", "multitask_mbt", "matchmap_sima"} <= set(model_names())
    assert not {"base", "layers", "matchmap", "__init__"} & set(model_names())
    assert len({find_model(name) for name in model_names()}) == len(model_names())


def test_an_unknown_model_lists_the_nearest_names() -> None:
    with pytest.raises(ModelError, match=r"did you mean .*matchmap_sisa"):
        find_model("matchmap_sissa")


def test_an_unknown_hyperparameter_names_the_right_one() -> None:
    with pytest.raises(ModelError, match="dropout"):
        make_model("text_only", {"dropuot": 0.1}, make_spec())


def test_a_hyperparameter_that_cannot_be_is_refused() -> None:
    with pytest.raises(ModelError, match="multiple of num_heads"):
        make_model("text_only", {"dim": 9, "num_heads": 2}, make_spec())


def test_a_model_without_its_modality_is_refused() -> None:
    with pytest.raises(ModelError, match="needs text"):
        make_model("text_only", {}, make_spec(dims={"audio": 5, "video": 7}))
    with pytest.raises(ModelError, match="needs 2 of text, audio, video"):
        make_model("concat", {}, make_spec(dims={"audio": 5}))


def test_a_matchmap_without_a_map_is_refused_with_the_remedy() -> None:
    with pytest.raises(ModelError, match="map: true"):
        make_model("matchmap_sisa", {}, make_spec(maps={}))


def test_features_are_standardised_before_forward_and_padding_stays_zero() -> None:
    model, batch = make_small("text_only"), make_batch()
    model.inputs.set("text", torch.full((6,), 3.0), torch.tensor([2.0] * 5 + [0.0]))
    scaled = model.inputs(batch).features["text"]
    real = ~batch.padding_mask["text"]
    torch.testing.assert_close(scaled[real][:, :5], (batch.features["text"][real][:, :5] - 3) / 2)
    torch.testing.assert_close(scaled[real][:, 5], batch.features["text"][real][:, 5] - 3)
    assert not scaled[~real].any()
    assert torch.equal(model.eval()(batch).logits, model.net(scaled, batch.padding_mask["text"]))


def test_without_hides_a_modality_and_touches_no_other() -> None:
    batch = make_batch()
    gone = batch.without("video")
    assert not gone.present["video"].any()
    assert gone.padding_mask["video"].all()
    assert not gone.maps["video"].any()
    assert torch.equal(gone.features["text"], batch.features["text"])
    assert batch.present["video"].all()


def test_a_head_learns_only_from_clips_that_have_its_modality() -> None:
    batch = remove(make_batch("regression"), "text", [0, 1, 2])
    model = make_small("multitask_mbt", "regression").eval()
    output = model(batch)
    losses = model.head_losses(output, batch, make_criteria("regression"))
    expected = (output.heads["text"][3:] - batch.targets["T"][3:]).abs().mean()
    torch.testing.assert_close(losses["text"], expected)
    nobody = model.head_losses(output, make_batch("regression").without("text"), make_criteria("regression"))
    assert float(nobody["text"].detach()) == 0.0


def test_dims_are_those_of_the_task() -> None:
    assert make_small("concat").classifier[1].in_features == sum(DIMS.values())
