"""Training on Ray: the same bytes as here."""

import csv
from pathlib import Path
from typing import Any

from pipeline.shards.engine import Engine
from tests.training.corpus import ZOO, make_corpus
from tests.training.test_runner import train, tree


def test_runs_are_trained_to_the_same_bytes_and_each_is_logged(tmp_path: Path, ray_cluster: Any) -> None:
    corpus = make_corpus(tmp_path)
    train(corpus, out=tmp_path / "here")
    assert train(corpus, out=tmp_path / "there", engine=Engine("ray", ray_cluster.address))["computed"] == 4
    assert tree(tmp_path / "here") == tree(tmp_path / "there")
    with (tmp_path / "there.log.csv").open() as file:
        assert {line["row"] for line in csv.DictReader(file)} == set(ZOO)
