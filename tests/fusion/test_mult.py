"""MulT's sizes, what it reads, and whom it listens to; its attention is tested in test_cross_attention."""

from dataclasses import replace

import pytest
import torch

from pipeline.errors import ModelError
from pipeline.fusion.base import Batch, make_model
from tests.fusion.batches import make_batch, make_small, make_spec

IEMOCAP = {"text": 300, "audio": 74, "video": 35}  # GloVe, COVAREP, Facet


def layers_parameters(dim: int, num_layers: int) -> int:
    """Of attention (4 d² + 4 d), feed-forward (8 d² + 5 d), two norms in each layer, and the last norm."""
    return num_layers * (12 * dim**2 + 13 * dim) + 2 * dim


def test_the_papers_setting_has_six_directions_and_reads_240_numbers() -> None:
    model = make_model("mult", {}, make_spec("multi_class", dims=IEMOCAP, maps={}))
    assert sorted(model.crossmodal) == sorted(f"{n}_to_{m}" for m in IEMOCAP for n in IEMOCAP if m != n)
    convolutions = 40 * (3 * 300 + 5 * 74 + 3 * 35)
    transformers = 6 * layers_parameters(40, 4) + 3 * layers_parameters(80, 4)
    assert sum(p.numel() for p in model.parameters()) == convolutions + transformers + 2 * (240**2 + 240) + 240 * 4 + 4


def make_long(lengths: dict[str, int]) -> Batch:
    """One clip of the paper's widths."""
    features = {m: torch.randn(1, length, IEMOCAP[m]) for m, length in lengths.items()}
    masks = {m: torch.zeros(1, length, dtype=torch.bool) for m, length in lengths.items()}
    return Batch(torch.zeros(1, dtype=torch.long), features, masks, {m: torch.ones(1, dtype=torch.bool) for m in lengths})


def test_sequences_that_are_not_aligned_and_shorter_than_the_kernel_are_read() -> None:
    model = make_model("mult", {"num_layers": 1}, make_spec("multi_class", dims=IEMOCAP, maps={})).eval()
    assert model(make_long({"text": 20, "audio": 50, "video": 1})).logits.shape == (1, 4)


def test_a_directional_transformer_keeps_the_low_level_source_in_every_layer() -> None:
    model, batch = make_small("mult", num_layers=2).eval(), make_batch()
    low = {m: model.embed(m, batch) for m in model.modalities}
    direction, mask = model.crossmodal["audio_to_text"], batch.padding_mask["audio"]
    first = direction.layers[0](low["text"], low["audio"], mask)
    expected = direction.norm(direction.layers[1](first, low["audio"], mask))
    torch.testing.assert_close(direction(low["text"], low["audio"], mask), expected)


def test_what_is_read_of_a_clip_is_its_last_real_step() -> None:
    model, batch = make_small("mult").eval(), make_batch()
    low = {m: model.embed(m, batch) for m in model.modalities}
    enriched = [model.crossmodal[f"{n}_to_text"](low["text"], low[n], batch.padding_mask[n]) for n in ("audio", "video")]
    memory, padding_mask = torch.cat(enriched, dim=-1), batch.padding_mask["text"]
    for layer in model.memories["text"].layers:
        memory = layer(memory, memory, padding_mask)
    for i, mask in enumerate(padding_mask):
        expected = model.memories["text"].norm(memory[i, int((~mask).sum()) - 1])
        torch.testing.assert_close(model.encode("text", low, batch)[i], expected, atol=1e-5, rtol=1e-5)


def test_two_modalities_have_two_directions() -> None:
    model, batch = make_small("mult", spec={"dims": {"text": 6, "video": 7}}).eval(), make_batch()
    assert sorted(model.crossmodal) == ["text_to_video", "video_to_text"]
    assert torch.isfinite(model(replace(batch, features={m: batch.features[m] for m in ("text", "video")})).logits).all()


def test_an_even_kernel_is_refused() -> None:
    with pytest.raises(ModelError, match="must be odd"):
        make_model("mult", {"kernel_audio": 4}, make_spec())
