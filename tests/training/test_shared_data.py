"""Runs share one copy of the data in memory, and none goes back to the disk for it."""

import multiprocessing
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pipeline.clips.manifest import read_manifest
from pipeline.clips.splits import read_splits
from pipeline.errors import ModelError
from pipeline.tasks.task import Task
from pipeline.training import runner, worker
from pipeline.training.embeddings import EmbeddingsReader, make_fold
from pipeline.training.jobs import Job, make_jobs
from pipeline.training.runner import start_worker, train_jobs
from pipeline.training.worker import Workplace
from pipeline.training.zoo import read_zoo
from tests.training.corpus import Corpus, make_corpus


def make_place(corpus: Corpus) -> tuple[list[Job], Workplace]:
    """The runs of a task, and its data in memory."""
    task, manifest = Task.read(corpus.params, "emotions"), read_manifest(corpus.clips)
    fold = task.folds(manifest, read_splits(corpus.clips))[0]
    sources = EmbeddingsReader(task, corpus.embeddings, corpus.encoders, {"video"}).read(0, fold)
    folds = [(make_fold(task, manifest, fold, sources), sources)]
    return make_jobs(task, read_zoo(corpus.params), folds, {}), Workplace.of(task, folds, corpus.out, "cpu")


def addresses() -> dict[str, int]:
    """Where this worker has the sequences' values, once it has cut a batch from them."""
    data = runner._place[0].folds[0]
    data.batch(data.parts["train"])
    return {m: packed.values.data_ptr() for m, packed in data.sequences.items()}


def test_runs_do_not_go_back_to_the_disk(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path)
    corpus.write_params({"concat": {}})
    jobs, place = make_place(corpus)
    for folder in (corpus.embeddings, corpus.encoders, corpus.clips):
        shutil.rmtree(folder)
    train_jobs(jobs, place, 1, corpus.out)
    assert all((job.folder(corpus.out) / "run.json").exists() for job in jobs)


def test_workers_read_the_parents_own_memory(tmp_path: Path) -> None:
    _, place = make_place(make_corpus(tmp_path))
    context = multiprocessing.get_context("fork")
    devices = context.SimpleQueue()
    for _ in range(2):
        devices.put("cpu")
    with ProcessPoolExecutor(2, context, start_worker, (place, devices, os.getpid())) as pool:
        found = [future.result() for future in [pool.submit(addresses) for _ in range(2)]]
    assert found == [{m: packed.values.data_ptr() for m, packed in place.folds[0].sequences.items()}] * 2


def test_a_run_that_a_gpu_cannot_hold_is_named_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    corpus = make_corpus(tmp_path)
    corpus.write_params({"concat": {}})
    jobs, place = make_place(corpus)
    monkeypatch.setattr(worker, "fit", fail)
    with pytest.raises(ModelError, match=r"concat needs more memory than cpu has free; give the row a smaller batch_size"):
        train_jobs(jobs, place, 1, corpus.out)


def test_spawned_workers_train_as_the_parent_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on several GPUs."""
    corpus = make_corpus(tmp_path)
    corpus.write_params({"concat": {}, "linear": {}})
    jobs, place = make_place(corpus)
    monkeypatch.setattr(runner, "start_method", lambda device: "spawn")
    train_jobs(jobs, place, 2, corpus.out)
    predictions = [load_file(job.folder(corpus.out) / "predictions.safetensors") for job in jobs]
    shutil.rmtree(corpus.out)
    train_jobs(jobs, place, 1, corpus.out)
    for job, found in zip(jobs, predictions, strict=True):
        expected = load_file(job.folder(corpus.out) / "predictions.safetensors")
        assert all(torch.equal(found[name], expected[name]) for name in expected)
