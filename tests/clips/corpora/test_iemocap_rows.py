"""The ready-made rows of IEMOCAP and of the preprocessed corpora."""

import re
from pathlib import Path

import pytest
import yaml

from pipeline.clips.ready_rows import merge_rows, read_rows
from pipeline.embed.encoder import EncoderConfig
from pipeline.extract.faces import FacesConfig
from pipeline.extract.logmel_config import read_logmel_config
from pipeline.extract.tokens import TokensConfig
from pipeline.params import build, read_params, read_row
from pipeline.report.published import PUBLISHED
from pipeline.tasks.task import TaskConfig


@pytest.mark.parametrize("name", ["iemocap", "e2e_iemocap", "e2e_mosei"])
def test_ready_made_rows_are_valid_and_name_each_other(tmp_path: Path, name: str) -> None:
    params = tmp_path / "params.yaml"
    params.write_text("{}\n")
    merge_rows(params, read_rows(name, "mine")[0])
    tables = read_params(params)
    for row, values in tables["encoders"].items():
        config = read_row(params, "encoders", row, EncoderConfig, wiring=("corpus", "features"))
        assert config.fit is None or config.fit.task in tables["tasks"]
        table, source = values["features"].split("/")
        assert source in tables[{"logmel": "logmels"}.get(table, table)]
    for row in tables["tasks"]:
        task = read_row(params, "tasks", row, TaskConfig, wiring=())
        (published,) = PUBLISHED[task.published or ""]
        assert len(published.labels) in (0, len(task.labels))
        assert set(task.encoders.values()) <= set(tables["encoders"])
    read_row(params, "faces", "mine", FacesConfig)
    read_logmel_config(params, "mine")
    read_row(params, "tokens", "mine", TokensConfig)


def test_the_rows_of_alberts_advice_are_valid() -> None:
    advice = re.sub(r",\n", ", ", read_rows("iemocap", "mine")[1])
    rows = {kind: yaml.safe_load(row) for kind, row in re.findall(r"(tokens|encoders): +(mine_albert: .*)", advice)}
    tokens = build(TokensConfig, _without(rows["tokens"]["mine_albert"], "corpus"), "tokens")
    encoder = build(EncoderConfig, _without(rows["encoders"]["mine_albert"], "corpus", "features"), "encoders")
    assert tokens.tokenizer == f"hub:{encoder.repo}@{encoder.revision}"


def _without(row: dict[str, object], *names: str) -> dict[str, object]:
    return {name: value for name, value in row.items() if name not in names}
