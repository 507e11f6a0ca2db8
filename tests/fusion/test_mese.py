"""MESE's nucleus by a loop, what is dropped, and where the text is missing."""

from dataclasses import replace

import pytest
import torch

from pipeline.errors import ModelError
from pipeline.fusion.base import make_model
from pipeline.fusion.mese import TextGuidedAttention, select_nucleus
from tests.fusion.batches import make_batch, make_small, make_spec


def nucleus_by_loop(weights: list[float], threshold: float) -> set[int]:
    """Take the largest until they reach the threshold."""
    kept, total = set[int](), 0.0
    for place in sorted(range(len(weights)), key=lambda i: -weights[i]):
        if total >= threshold:
            break
        kept.add(place)
        total += weights[place]
    return kept


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.8, 0.99])
def test_the_nucleus_is_the_smallest_set_that_reaches_the_threshold(threshold: float) -> None:
    weights = torch.randn(20, 49, generator=torch.Generator().manual_seed(0)).mul(2).double().softmax(1)
    for row, kept in zip(weights, select_nucleus(weights, threshold), strict=True):
        assert set(kept.nonzero().flatten().tolist()) == nucleus_by_loop(row.tolist(), threshold)


def test_a_nucleus_that_is_reached_exactly_takes_no_more() -> None:
    assert select_nucleus(torch.tensor([[0.25, 0.5, 0.125, 0.125]]), 0.75).tolist() == [[True, True, False, False]]


def test_the_kept_weights_are_the_attention_renormalised_to_a_mean_of_one() -> None:
    torch.manual_seed(0)
    attention, x, text = TextGuidedAttention(5, 6, 8, 0.6), torch.randn(3, 7, 5), torch.randn(3, 6)
    mask = torch.arange(7) >= torch.tensor([7, 4, 0]).unsqueeze(-1)
    weights, dropped = attention(x, text, mask)
    for i, length in enumerate((7, 4)):
        score = attention.score(torch.tanh(attention.place(x[i, :length]) + attention.text(text[i]))).flatten().softmax(0)
        kept = score * ~dropped[i, :length]
        torch.testing.assert_close(weights[i, :length], kept / kept.sum() * (~dropped[i]).sum())
    assert dropped[mask].all()
    assert not weights[dropped].any()


def test_a_place_that_is_dropped_has_no_influence() -> None:
    model, batch = make_small("mese", threshold=0.5).eval(), make_batch()
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    model.attention["video"].register_forward_hook(lambda module, args, result: seen.append(result) or seen[0])
    logits = model(batch).logits
    dropped = seen[0][1]
    assert dropped.any()
    changed = torch.where(dropped.unsqueeze(-1), torch.full_like(batch.maps["video"], 9.0), batch.maps["video"])
    torch.testing.assert_close(model(replace(batch, maps={"video": changed})).logits, logits)


def test_the_attention_learns_although_it_selects() -> None:
    model = make_small("mese", threshold=0.5)
    model(make_batch()).logits.sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in model.attention.parameters())


def test_the_papers_map_has_49_places_and_frames_serve_where_there_is_none() -> None:
    spec = make_spec(dims={"text": 768, "audio": 128, "video": 1408}, maps={"video": (49, 1408)})
    model = make_model("mese", {}, spec)
    assert model.attention["video"].place.weight.shape == (64, 1408)
    assert list(model.norms) == ["video"]
    frames = make_small("mese", spec={"maps": {}})
    assert not list(frames.norms)
    assert torch.isfinite(frames.eval()(replace(make_batch(), maps={})).logits).all()


def test_the_text_must_be_among_the_modalities() -> None:
    with pytest.raises(ModelError, match="MESE needs text"):
        make_model("mese", {}, make_spec(dims={"audio": 5, "video": 7}))


def test_a_threshold_is_a_share() -> None:
    with pytest.raises(ModelError, match="a share of the attention"):
        make_model("mese", {"threshold": 1.5}, make_spec())
