"""Ablations: the overlays that are shipped, and one that is trained, as a grid and as tables."""

from pathlib import Path

import pytest
import yaml

from pipeline.errors import ParamsError, PipelineError
from pipeline.params import read_overlaid, read_params, read_section
from pipeline.report.ablation import AblationConfig, ablate
from pipeline.report.scores import EvaluateConfig
from pipeline.training.runner import TrainOptions
from pipeline.training.zoo import read_zoo
from tests.conftest import ROOT
from tests.training.corpus import Corpus, make_corpus

SHIPPED = ROOT / "pipeline" / "ablations"
SMALL = {"model": "multitask_mbt", "dim": 8, "num_layers": 1, "num_heads": 2}
OPTIONS = TrainOptions(device="cpu")


def grid(name: str) -> tuple[AblationConfig, dict[str, tuple[object, object]]]:
    """An overlay's section, and each of its own rows with its place in the grid."""
    path = SHIPPED / name
    config, own = read_section(path, "ablation", AblationConfig), read_overlaid(path, "zoo")
    found = {row.name: {"model": row.model, **row.hyperparams} for row in read_zoo(path) if row.name in own}
    assert read_section(path, "evaluate", EvaluateConfig).reference in found
    return config, {name: (values.get(config.down), values.get(config.across)) for name, values in found.items()}


def test_source_1s_ablation_crosses_every_loss_weighting_with_every_centre() -> None:
    config, places = grid("multitask_mbt.yaml")
    weightings, centres = ("single", "mean", "dwa", "rruw", "druw"), ("none", "text", "audio", "video", "all")
    assert (config.down, config.across) == ("loss_weighting", "centre")
    assert list(places.values()) == [(weighting, centre) for weighting in weightings for centre in centres]
    assert all(name == f"mbt_{weighting}_{centre}" for name, (weighting, centre) in places.items())


def test_source_2s_ablation_crosses_every_similarity_with_weights_and_has_the_baseline() -> None:
    _, places = grid("matchmap.yaml")
    crossed = {(f"matchmap_{name}", weight) for name in ("sisa", "misa", "sima") for weight in (0.01, 0.078, 0.3, 1.0)}
    assert set(places.values()) == crossed | {("matchmap_sima", 0.0), ("concat_av", None)}


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """A corpus below data/, and an overlay of its params.yaml with three rows."""
    corpus = make_corpus(tmp_path / "data")
    for name in ("clips", "embeddings"):
        (corpus.root / name).rename(corpus.root / "c")
        (corpus.root / name).mkdir()
        (corpus.root / "c").rename(corpus.root / name / "c")
    zoo = {f"{w}_{c}": {**SMALL, "loss_weighting": w, "centre": c} for w, c in (("mean", "none"), ("single", "all"))} | {"constant": {}}
    overlay = {"extends": "params.yaml", "ablation": {"down": "loss_weighting", "across": "centre"}, "zoo": zoo, "train": {"max_epochs": 1}}
    (corpus.root / "overlay.yaml").write_text(yaml.safe_dump(overlay | {"evaluate": {"draws": 20, "seed": 0, "reference": "constant"}}))
    return corpus


def test_an_ablation_trains_its_own_rows_alone_and_nothing_when_it_runs_again(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert ablate(corpus.root / "overlay.yaml", "emotion", corpus.root, out, OPTIONS) == {"computed": 3, "reused": 0}
    text, times = (out / "ablation.md").read_text(), (out / "runs.log.csv").read_text()
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith(("| mean |", "| single |"))]
    assert [[row[1] == "–", row[2] == "– |"] for row in rows[:2]] == [[False, True], [True, False]]
    assert "| constant |" in text
    assert "text_only" not in text
    assert ablate(corpus.root / "overlay.yaml", "emotion", corpus.root, out, OPTIONS) == {"computed": 0, "reused": 3}
    assert ((out / "ablation.md").read_text(), (out / "runs.log.csv").read_text()) == (text, times)


def test_a_folder_of_something_else_and_an_unknown_task_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="holds something else than an ablation"):
        ablate(corpus.root / "overlay.yaml", "emotion", corpus.root, corpus.root, OPTIONS)
    with pytest.raises(ParamsError, match="tasks has no row `joy`; its rows: emotions"):
        ablate(corpus.root / "overlay.yaml", "joy", corpus.root, tmp_path / "out", OPTIONS)
    with pytest.raises(PipelineError, match=r"an output of dvc\.yaml"):
        ablate(corpus.root / "overlay.yaml", "emotion", corpus.root, ROOT / "data" / "runs" / "demo_emotion" / "x", OPTIONS)


def test_the_rows_of_an_overlay_are_its_own_and_those_of_overlays_below_it(corpus: Corpus) -> None:
    (corpus.root / "more.yaml").write_text(yaml.safe_dump({"extends": "overlay.yaml", "zoo": {"linear": {}, "concat_av": {}}}))
    assert read_overlaid(corpus.root / "more.yaml", "zoo") == ("constant", "linear", "mean_none", "single_all", "concat_av")
    assert read_overlaid(corpus.params, "zoo") == ()
    assert "text_only" in read_params(corpus.root / "more.yaml")["zoo"]
