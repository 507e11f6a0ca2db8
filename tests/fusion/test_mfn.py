"""MFN's cells, attention and memory, written out for two steps."""

import torch

from pipeline.fusion.base import make_model
from tests.fusion.batches import make_batch, make_spec, take
from tests.fusion.sims import SPEC, count_parameters, linear, lstm, make_sims_batch

SMALL = {"text_dim": 3, "audio_dim": 2, "video_dim": 4, "memory_dim": 3, "attention_dim": 5, "proposal_dim": 5, "gate_dim": 5, "out_dim": 5}


def lstm_step(cell: torch.nn.LSTMCell, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """An LSTM's step by its equations; torch's gates stand in the order input, forget, cell, output."""
    gates = x @ cell.weight_ih.T + cell.bias_ih + h @ cell.weight_hh.T + cell.bias_hh
    i, f, g, o = gates.chunk(4, dim=-1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def test_its_size_on_sims_is_the_papers() -> None:
    cells = lstm(768, 64) + lstm(33, 16) + lstm(709, 64)
    memory = linear(288, 128, 288) + linear(288, 128, 64) + 2 * linear(288 + 64, 64, 64)
    assert count_parameters("mfn") == cells + memory + linear(144 + 64, 64, 1)
    assert make_model("mfn", {}, SPEC).eval()(make_sims_batch()).logits.shape == (2, 1)


def test_two_steps_by_hand() -> None:
    torch.manual_seed(0)
    model, batch = make_model("mfn", {**SMALL, "num_steps": 2}, make_spec()).eval(), take(make_batch(), [0])
    steps = {}
    for m in ("text", "audio", "video"):
        x = batch.features[m][0, ~batch.padding_mask[m][0]]
        half = -(-len(x) // 2)  # adaptive pooling: an odd middle step counts in both halves
        steps[m] = [x[:half].mean(0), x[len(x) - half :].mean(0)]
    state = {m: torch.zeros(SMALL[f"{m}_dim"]) for m in steps}
    cell, memory = dict(state), torch.zeros(3)
    for i in range(2):
        before = torch.cat(list(cell.values()))
        for m in steps:
            state[m], cell[m] = lstm_step(model.cells[m], steps[m][i], state[m], cell[m])
        both = torch.cat([before, *cell.values()])
        attended = both * model.attention(both).softmax(0)
        seen = torch.cat([attended, memory])
        memory = model.retain(seen).sigmoid() * memory + model.update(seen).sigmoid() * model.proposal(attended).tanh()
    expected = model.out(torch.cat([*state.values(), memory]))
    torch.testing.assert_close(model(batch).logits[0], expected)


def test_a_missing_modality_gets_no_attention() -> None:
    model, batch = make_model("mfn", SMALL, make_spec()).eval(), make_batch().without("audio")
    state, cells = model.run_lstm("audio", batch)
    assert not state.any()
    assert not cells.any()
    present = torch.tensor([[True] * 3 + [False] * 2 + [True] * 4]).expand(6, -1)
    weights = model.attend(torch.ones(6, 3, 9), present)  # cells of ones: what is left is the weights
    torch.testing.assert_close(weights.sum(-1), torch.ones(6, 2))
    assert not weights[..., [3, 4, 12, 13]].any()
