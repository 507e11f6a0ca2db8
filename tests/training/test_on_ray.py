"""Training on Ray: the same bytes as here, also where a process is killed."""

import csv
import os
import signal
from pathlib import Path
from typing import Any

from pipeline.shards.engine import Engine
from pipeline.training.costs import Cost
from pipeline.training.jobs import Job
from pipeline.training.on_ray import train_on_ray
from pipeline.training.worker import Workplace, run_job
from tests.training.corpus import ZOO, make_corpus
from tests.training.test_runner import train, tree
from tests.training.test_shared_data import make_place


def test_runs_are_trained_to_the_same_bytes_and_each_is_logged(tmp_path: Path, ray_cluster: Any) -> None:
    corpus = make_corpus(tmp_path)
    train(corpus, out=tmp_path / "here")
    assert train(corpus, out=tmp_path / "there", engine=Engine("ray", ray_cluster.address))["computed"] == 4
    assert tree(tmp_path / "here") == tree(tmp_path / "there")
    with (tmp_path / "there.log.csv").open() as file:
        assert {line["row"] for line in csv.DictReader(file)} == set(ZOO)


def run_dying_once(job: Job, place: Workplace) -> Cost:
    """Train a job; the process of one of them is killed, once."""
    killed = place.root.parent / "killed"
    if job.row.name == "linear" and not killed.exists():
        killed.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return run_job(job, place)


def test_a_process_that_is_killed_costs_its_run_alone(tmp_path: Path, ray_cluster: Any) -> None:
    corpus = make_corpus(tmp_path)
    jobs, place = make_place(corpus)
    told = [job for job, _ in train_on_ray(Engine("ray", ray_cluster.address), jobs, place, 1, run_dying_once)]
    assert (sorted(job.name for job in told), (tmp_path / "killed").exists()) == (sorted(job.name for job in jobs), True)
    there = tree(corpus.out)
    train(corpus, out=tmp_path / "here")
    assert {name: data for name, data in tree(tmp_path / "here").items() if name in there} == there
