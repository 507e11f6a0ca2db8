"""The loop: schedule, early stopping, best weights, what a head trains on, missing clips, divergence."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.clips.manifest import read_manifest
from pipeline.clips.splits import read_splits
from pipeline.errors import ModelError
from pipeline.fusion.base import find_model
from pipeline.tasks.task import Task
from pipeline.training.dataset import FoldData
from pipeline.training.embeddings import EmbeddingsReader, make_fold
from pipeline.training.trainer import Fitted, Fitter, fit, predict
from pipeline.training.zoo import ZooRow, read_zoo
from tests.training.corpus import Corpus, make_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return make_corpus(tmp_path_factory.mktemp("trainer"))


def prepare(corpus: Corpus, task_name: str, zoo: dict[str, Any], **train: Any) -> tuple[ZooRow, Task, FoldData]:
    corpus.write_params(zoo, **train)
    task, manifest = Task.read(corpus.params, task_name), read_manifest(corpus.clips)
    fold = task.folds(manifest, read_splits(corpus.clips))[0]
    data = make_fold(task, manifest, fold, EmbeddingsReader(task, corpus.embeddings, corpus.encoders, {"video"}).read(0, fold))
    row = read_zoo(corpus.params)[0]
    model = find_model(row.model)
    return row, task, data.select(model.uses, model.map_modalities)


def train(corpus: Corpus, task_name: str, zoo: dict[str, Any], seed: int = 0, **changes: Any) -> tuple[Fitted, Task, FoldData]:
    row, task, data = prepare(corpus, task_name, zoo, **changes)
    return fit(row, task, data, seed), task, data


def test_the_best_epochs_weights_are_kept(corpus: Corpus) -> None:
    fitted, task, data = train(corpus, "emotion", {"concat": {}}, max_epochs=12, patience=12, learning_rate=0.05)
    scores = [record["valid_selection"] for record in fitted.history]
    assert fitted.best_epoch == int(np.argmax(scores)) + 1
    logits = predict(fitted.model, data, "valid", "fp32")["fusion"]
    assert task.select(logits, data.targets["M"][data.parts["valid"]].numpy()) == max(scores)


def test_it_stops_when_valid_has_not_improved_for_patience_epochs(corpus: Corpus) -> None:
    fitted, _, _ = train(corpus, "emotion", {"concat": {}}, max_epochs=200, patience=4, learning_rate=0.05)
    assert len(fitted.history) == fitted.best_epoch + 4


def test_the_loss_falls(corpus: Corpus) -> None:
    fitted, _, _ = train(corpus, "emotions", {"concat": {}}, max_epochs=10, patience=10, learning_rate=0.01)
    assert fitted.history[-1]["train_loss"] < 0.7 * fitted.history[0]["train_loss"]


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(corpus: Corpus) -> None:
    zoo = {"text_only": {"dim": 8, "num_layers": 1, "num_heads": 2}}
    first, again, other = (train(corpus, "sentiment", zoo, seed)[0].model.state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize(("batch_steps", "total"), [(0, 10 * 4), (1, 10 * 20)])  # of a clip a batch at most
def test_the_schedule_warms_up_and_falls_to_zero_at_the_last_step(corpus: Corpus, batch_steps: int, total: int) -> None:
    training = {"schedule": "cosine", "warmup": 0.25, "max_epochs": 10, "patience": 10, "batch_size": 5, "batch_steps": batch_steps}
    row, task, data = prepare(corpus, "emotion", {"concat": {}}, **training)
    fitted = fit(row, task, data, 0)
    fitter = Fitter(fitted.model, row, task, data, 0)
    factors, warm = [fitter.schedule(step) for step in range(total + 1)], total // 4
    assert factors[: warm + 1] == sorted(factors[: warm + 1])
    assert factors[warm] == 1.0
    assert factors[warm:] == sorted(factors[warm:], reverse=True)
    assert factors[-1] == pytest.approx(0.0)
    rates = [epoch["learning_rate"] / row.train.learning_rate for epoch in fitted.history]
    assert rates == pytest.approx([factors[step] for step in range(0, total, total // 10)])


def test_bfloat16_trains_and_its_logits_are_float32(corpus: Corpus) -> None:
    fitted, _, data = train(corpus, "emotions", {"text_only": {"dim": 8, "num_layers": 1, "num_heads": 2}}, precision="bf16")
    assert predict(fitted.model, data, "test", "bf16")["fusion"].dtype == np.float32
    assert all(p.dtype == torch.float32 for p in fitted.model.parameters())


def test_a_diverging_run_says_what_to_do(corpus: Corpus) -> None:
    row, task, data = prepare(corpus, "sentiment", {"concat": {}})
    data.statistics["text"] = (torch.full((6,), float("nan")), torch.ones(6))
    with pytest.raises(ModelError, match=r"loss of epoch 1 is nan; lower learning_rate"):
        fit(row, task, data, 0)


def test_clips_without_any_modality_of_the_model_are_not_trained_on(corpus: Corpus) -> None:
    row, task, data = prepare(corpus, "emotions", {"audio_only": {"dim": 8, "num_layers": 1, "num_heads": 2}})
    fitted = Fitter(fit(row, task, data, 0).model, row, task, data, 0)
    assert 0 < len(fitted.train) < len(data.parts["train"])
    assert len(predict(fitted.model, data, "test", "fp32")["fusion"]) == len(data.parts["test"])


def test_a_part_is_predicted_in_its_own_order(corpus: Corpus) -> None:
    fitted, _, data = train(corpus, "emotions", {"concat": {}})
    together = predict(fitted.model, data, "test", "fp32")["fusion"]
    alone = [fitted.model(data.batch(index.unsqueeze(0))).logits.detach().numpy()[0] for index in data.parts["test"]]
    np.testing.assert_allclose(together, np.stack(alone), atol=1e-5)


def test_the_models_inputs_are_standardised_by_the_train_part_alone(corpus: Corpus) -> None:
    fitted, _, data = train(corpus, "emotions", {"concat_av": {}})
    features, mask = data.sequences["audio"].gather(data.parts["train"])
    torch.testing.assert_close(fitted.model.inputs.get_buffer("audio_mean"), features[~mask].mean(0))


def test_no_net_of_late_average_is_clipped_for_anothers_gradient(corpus: Corpus) -> None:
    zoo = {"late_average": {"dim": 8, "num_layers": 1, "num_heads": 2}}
    row, task, data = prepare(corpus, "emotions", zoo, max_epochs=1, grad_clip=0.01)
    other = replace(data, sequences=data.sequences | {"audio": replace(data.sequences["audio"], values=-data.sequences["audio"].values)})
    first, second = (fit(row, task, d, 0).model.state_dict() for d in (data, other))
    assert all(torch.equal(first[name], second[name]) for name in first if name.startswith(("nets.text.", "nets.video.")))
    assert not torch.equal(first["nets.audio.head.weight"], second["nets.audio.head.weight"])


def test_epochs_that_do_not_learn_the_task_are_never_the_best(corpus: Corpus) -> None:
    zoo = {"cmha": {"dim": 8, "num_heads": 2, "reconstruction_epochs": 3}}
    fitted, _, _ = train(corpus, "emotion", zoo, max_epochs=6, patience=1)
    assert fitted.best_epoch > 3
    assert len(fitted.history) >= 4
    short, _, _ = train(corpus, "emotion", zoo, max_epochs=2, patience=1)
    assert short.best_epoch == 2  # the last one, where there is no other
