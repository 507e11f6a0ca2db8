"""SIGKILL at random moments of every stage: nothing finished is lost, nothing torn is taken for whole, and the last bytes are the same."""

import fnmatch
import itertools
import json
import logging
import os
import random
from pathlib import Path

import pytest

from pipeline.embed.encoder import check_weights, read_encoder
from pipeline.report.files import read_scores
from pipeline.shards.previous import partial_of
from pipeline.shards.shard import read_shard
from pipeline.training.checkpoint import read_checkpoint
from pipeline.training.run import check_run, read_run
from tests.faults.conftest import run_undisturbed
from tests.faults.forks import Forks
from tests.faults.place import Stage, clear, tree

STAGES = ["make_demo", "index_clips", "compute_logmel", "tokenize_text", "prepare_encoder", "embed", "train", "evaluate", "report"]
SLOW = {"make_demo", "compute_logmel", "report"}
pytestmark = pytest.mark.xdist_group("faults")  # one after the other: each stage reads what those before it made
log = logging.getLogger(__name__)


def find(folder: Path, pattern: str) -> list[Path]:
    """Files below a folder in which a killed stage's workers may go on renaming for a moment."""
    return [Path(place) / name for place, _, names in os.walk(folder) for name in fnmatch.filter(names, pattern)]


def find_finished(out: Path) -> set[str]:
    """Return what is finished in an output or its partial, by fingerprint; whatever stands under a final name must be whole."""
    found: set[str] = set()
    for folder in (out, partial_of(out)):
        for path in find(folder, "shard-*.h5"):
            shard = read_shard(path)
            shard.verify()
            found |= set(shard.fingerprints)
        for path in find(folder, "run.json"):
            if not path.parent.name.endswith(".tmp"):
                check_run(path.parent)
                found.add(read_run(path.parent).fingerprint)
        for path in find(folder, "config.json"):
            check_weights(read_encoder(path.parent), path.parent)
            found |= {f"epoch {epoch}" for epoch in range(1, 100)}
        for path in find(folder, "checkpoint.safetensors"):
            found |= {f"epoch {epoch}" for epoch in range(1, read_checkpoint(path)[0]["epoch"] + 1)}
    return found


def disturb(stage: Stage, forks: Forks, told: Path, seconds: float, kills: int, flush: float | None) -> tuple[int, int]:
    """Kill a stage so many times, at moments spread over its time; returns the kills and how often it finished between them.

    What a kill leaves is what the next run finds; where a run comes to its end before its moment, it begins anew from nothing.
    """
    undisturbed, picks = tree(stage.out), random.Random(stage.name)
    moments = [seconds * (place + picks.random()) / kills for place in range(kills)]
    picks.shuffle(moments)  # a stage that goes on where it was killed may end before a late moment
    clear(stage.out)
    finished, done, ends = set[str](), 0, 0
    for attempt in itertools.count():
        if done == kills or attempt > 4 * kills + 5:
            break
        if forks.kill(stage.name, *stage.arguments, log=told, after=moments[done], flush=flush):
            done += 1
            before, finished = finished, find_finished(stage.out)
            assert before <= finished, f"{stage.name} lost what was finished"
        else:
            assert tree(stage.out) == undisturbed, told.read_text()
            ends, finished = ends + 1, set()
            clear(stage.out)
    summary = json.loads(stage.run(forks, told).splitlines()[-1])
    assert tree(stage.out) == undisturbed
    assert summary.get("reused", 0) >= sum(1 for name in finished if len(name) == 40 and stage.name != "prepare_encoder")
    assert not partial_of(stage.out).exists()
    return done, ends


@pytest.mark.parametrize("name", STAGES)
def test_a_killed_stage_loses_nothing_finished_and_ends_with_the_same_bytes(
    name: str, stages: dict[str, Stage], whole: dict[str, float], forks: Forks, tmp_path: Path
) -> None:
    done, _ = disturb(stages[name], forks, tmp_path / "log", whole[name], 1 if name in SLOW else 3, 0.0)
    assert done > 0 or whole[name] < 1


@pytest.mark.long
@pytest.mark.parametrize("name", [*STAGES, "crop_faces"])
def test_fifty_kills_of_a_stage_change_no_byte(
    name: str, stages: dict[str, Stage], whole: dict[str, float], forks: Forks, tmp_path: Path
) -> None:
    seconds = run_undisturbed(stages[name], forks, tmp_path / "log") if name == "crop_faces" else whole[name]
    done, ends = disturb(stages[name], forks, tmp_path / "log", seconds, 50, 0.0)
    log.warning("%s: %d kills within %.1f s, %d finished runs between them", name, done, seconds, ends)
    assert done == 50


def test_scores_that_a_kill_left_half_new_are_told(stages: dict[str, Stage], whole: dict[str, float]) -> None:
    read_scores(stages["evaluate"].out)
    metrics = stages["evaluate"].out / "metrics.json"
    text = metrics.read_text()
    metrics.write_text(text.replace("0.", "0.1", 1))
    with pytest.raises(Exception, match=r"metrics\.json is absent or not what scores\.json describes"):
        read_scores(stages["evaluate"].out)
    metrics.write_text(text)
