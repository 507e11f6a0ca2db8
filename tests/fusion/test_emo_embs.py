"""EmoEmbs' scores by hand, its frozen vectors, and what it needs of a task."""

import pytest
import torch

from pipeline.errors import ModelError
from tests.fusion.batches import DIMS, LABEL_DIM, make_batch, make_small


@pytest.mark.parametrize("kind", ["multi_label", "multi_class"])
def test_a_score_is_the_product_of_what_is_heard_and_a_words_vector(kind: str) -> None:
    model, batch = make_small("emo_embs", kind).eval(), make_batch(kind)
    inputs, words = model.inputs(batch), model.get_buffer("words")
    expected = torch.zeros(len(batch), model.spec.num_outputs)
    for weight, m in zip(model.fusion.weight, model.modalities, strict=True):
        heard = model.recurrent[m](inputs.features[m], inputs.padding_mask[m])
        mapped = words if m == "text" else words @ model.bridge[m].weight.T + model.bridge[m].bias
        expected += weight * torch.stack([(heard * vector).sum(1) for vector in mapped], dim=1)
    torch.testing.assert_close(model(batch).logits, expected)


def test_a_value_is_the_score_of_positive_less_that_of_negative() -> None:
    model, batch = make_small("emo_embs", "regression").eval(), make_batch("regression")
    before, words = model(batch).logits, model.get_buffer("words").clone()
    model.set_label_vectors(words.flip(0))
    torch.testing.assert_close(model(batch).logits, -before)
    model.set_label_vectors(words[:1].expand(2, -1))
    assert not model(batch).logits.any()


def test_the_texts_states_are_as_wide_as_the_vectors_and_the_others_as_published() -> None:
    model = make_small("emo_embs", audio_dim=200, video_dim=100, spec={"label_dim": 300})
    assert {m: net.layers[-1].ahead.hidden_size for m, net in model.recurrent.items()} == {"text": 300, "audio": 200, "video": 100}
    assert {m: tuple(layer.weight.shape) for m, layer in model.bridge.items()} == {"audio": (200, 300), "video": (100, 300)}
    assert [len(net.layers) for net in model.recurrent.values()] == [2, 2, 2]
    assert model.recurrent["text"].dropout.p == 0.15
    assert model.recurrent["text"].layers[0].ahead.input_size == DIMS["text"]


def test_the_vectors_are_saved_with_the_model_and_never_trained() -> None:
    model = make_small("emo_embs")
    assert model.state_dict()["words"].shape == (3, LABEL_DIM)
    assert "words" not in dict(model.named_parameters())


def test_a_task_without_vectors_is_told_what_to_do() -> None:
    with pytest.raises(ModelError, match=r"no text encoder that can be run .* leave its row out, or give `glove`"):
        make_small("emo_embs", spec={"label_dim": 0})
