"""Clips lose modalities at random, and never all of them."""

import torch

from pipeline.fusion.base import Batch
from pipeline.training.modality_dropout import drop_modalities


def make_batch(size: int, **present: bool) -> Batch:
    """Clips of three steps; keywords say which modalities every clip has."""
    features = {m: torch.ones(size, 3, 2) * has for m, has in present.items()}
    masks = {m: torch.full((size, 3), not has) for m, has in present.items()}
    maps = {m: torch.ones(size, 4, 2) * has for m, has in present.items() if m == "video"}
    return Batch(torch.arange(size), features, masks, {m: torch.full((size,), has) for m, has in present.items()}, maps)


def test_a_rate_of_zero_draws_nothing() -> None:
    batch = make_batch(4, text=True, audio=True)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    assert drop_modalities(batch, 0.0) is batch
    assert torch.equal(torch.get_rng_state(), before)


def test_what_is_lost_is_masked_everywhere_and_every_clip_keeps_something() -> None:
    torch.manual_seed(0)
    batch = drop_modalities(make_batch(2000, text=True, audio=True, video=True), 0.5)
    present = torch.stack(list(batch.present.values()))
    assert bool(present.any(0).all())
    for m, has in batch.present.items():
        assert torch.equal(batch.padding_mask[m], ~has[:, None].expand(-1, 3))
        assert torch.equal(batch.features[m].amax((1, 2)) > 0, has)
    assert torch.equal(batch.maps["video"].amax((1, 2)) > 0, batch.present["video"])
    lost = 1 - present.float().mean(1)
    expected = 0.5 * (1 - 0.5**2)  # lost, and not the clip that would have lost all
    assert bool(((lost - expected).abs() < 0.05).all())


def test_a_clip_never_gets_a_modality_that_it_lacks() -> None:
    torch.manual_seed(0)
    batch = drop_modalities(make_batch(200, text=True, audio=False), 0.9)
    assert bool(batch.present["text"].all())
    assert not batch.present["audio"].any()


def test_a_single_modality_is_left_alone() -> None:
    batch = make_batch(4, text=True)
    assert drop_modalities(batch, 0.9) is batch
