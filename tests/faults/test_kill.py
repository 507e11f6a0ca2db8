"""SIGKILL at random moments of every stage: nothing finished is lost, nothing torn is taken for whole, and the last bytes are the same."""

import fnmatch
import hashlib
import json
import logging
import os
import random
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.embed.encoder import check_weights, read_encoder
from pipeline.report.files import read_scores
from pipeline.shards.previous import partial_of
from pipeline.shards.shard import read_shard
from pipeline.training.checkpoint import read_checkpoint
from pipeline.training.run import check_run, read_run
from tests.faults.conftest import Whole, run_undisturbed
from tests.faults.forks import Forks, count_changes
from tests.faults.place import Stage, clear, tree

STAGES = ["make_demo", "index_clips", "import_features", "tokenize_text", "prepare_encoder", "embed", "train", "evaluate", "report"]
SLOW = {"make_demo", "report"}
AMID = 12
"""The change to a folder of two shards of two rows at which one is whole, and one row of the other flushed."""
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
        for path in find(folder, "*.mp4"):
            found.add(hashlib.sha1(path.read_bytes()).hexdigest())  # the bytes in the end tell whether it was whole
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


@dataclass
class Toll:
    """What became of a stage that was killed again and again.

    Args:
        kills: that found it at work.
        amid: of those, the ones that found it among the changes to its output: come to the first, and not beyond the last.
        kept: of those, the ones that left something finished for the next run.
        ends: runs between the kills that came to their end, each with the bytes of an undisturbed one.
    """

    kills: int = 0
    amid: int = 0
    kept: int = 0
    ends: int = 0


def disturb(stage: Stage, forks: Forks, told: Path, whole: Whole, kills: int) -> Toll:
    """Kill a stage so many times: by turns at one of the changes that it makes to its output, drawn from all, and at a moment.

    What a kill leaves is what the next run finds; where a run comes to its end before it is to be killed, it begins anew from nothing.
    """
    undisturbed, picks, toll = tree(stage.out), random.Random(stage.name), Toll()
    seconds, finished, is_anew = whole.seconds, set[str](), True
    clear(stage.out)
    while toll.kills < kills:
        assert toll.ends < 4 * kills + 4, f"{toll} of {kills} kills: the moments do not fall into the {seconds:.2f} s of a run"
        began = time.monotonic()
        change, after = picks.randint(1, whole.changes), picks.uniform(0, seconds)
        if stage.kill(forks, told, change=change) if toll.kills % 2 == 0 else stage.kill(forks, told, after):
            before, finished = finished, find_finished(stage.out)
            assert before <= finished, f"{stage.name} lost what was finished"
            is_amid = count_changes(told) > 0 and tree(stage.out) != undisturbed
            toll.kills, toll.amid, toll.kept = toll.kills + 1, toll.amid + is_amid, toll.kept + (is_amid and bool(finished))
            is_anew = False
        else:
            check_end(stage, told, undisturbed, finished)
            seconds = time.monotonic() - began if is_anew else seconds  # the machine may be faster than it was, or slower
            toll.ends, finished, is_anew = toll.ends + 1, set(), True
            clear(stage.out)
    stage.run(forks, told)
    check_end(stage, told, undisturbed, finished)
    return toll


def check_end(stage: Stage, told: Path, undisturbed: dict[str, str], finished: set[str]) -> None:
    """Check a run that came to its end: the bytes, and that it took over what was finished before."""
    text = told.read_text()
    assert tree(stage.out) == undisturbed, text
    assert not partial_of(stage.out).exists()
    if stage.name != "prepare_encoder":  # it counts artifacts, and goes on after epochs
        rows = sum(1 for name in finished if len(name) == 40)
        assert json.loads(text.splitlines()[-1]).get("reused", 0) >= rows, text


@pytest.mark.parametrize("name", STAGES)
def test_a_killed_stage_loses_nothing_finished_and_ends_with_the_same_bytes(
    name: str, stages: dict[str, Stage], whole: dict[str, Whole], forks: Forks, tmp_path: Path
) -> None:
    disturb(stages[name], forks, tmp_path / "log", whole[name], 1 if name in SLOW else 3)


@pytest.mark.parametrize("name", ["tokenize_text", "compute_logmel"])  # in the stage's process, and in a worker that it spawns
def test_rows_of_half_a_shard_outlive_a_kill(
    name: str, stages: dict[str, Stage], whole: dict[str, Whole], forks: Forks, tmp_path: Path
) -> None:
    stage, undisturbed = stages[name], tree(stages[name].out)
    full = {path.name: len(read_shard(path).ids) for path in find(stage.out, "shard-*.h5")}
    clear(stage.out)
    assert stage.kill(forks, tmp_path / "log", change=AMID)
    held = {path.name: len(read_shard(path).ids) for path in find(partial_of(stage.out), "shard-*.h5")}
    assert any(0 < held.get(shard, 0) < full[shard] for shard in full), (held, full)
    assert stage.run(forks, tmp_path / "log")["reused"] == sum(held.values())
    assert tree(stage.out) == undisturbed


@pytest.mark.long
@pytest.mark.parametrize("name", [*STAGES, "compute_logmel", "crop_faces"])
def test_fifty_kills_of_a_stage_change_no_byte(
    name: str, stages: dict[str, Stage], whole: dict[str, Whole], forks: Forks, tmp_path: Path
) -> None:
    began = time.monotonic()
    undisturbed = run_undisturbed(stages[name], forks, tmp_path / "log") if name == "crop_faces" else whole[name]
    toll = disturb(stages[name], forks, tmp_path / "log", undisturbed, 50)
    amid = f"{toll.kills} kills, {toll.amid} of them mid-work, {toll.kept} of which left something finished"
    end = f"0 finished rows lost, bytes equal after each of {toll.ends + 1} runs to the end"
    log.warning("%s: %s; %s; %.0f s in all, %.1f s a run", name, amid, end, time.monotonic() - began, undisturbed.seconds)


def test_scores_that_a_kill_left_half_new_are_told(stages: dict[str, Stage], whole: dict[str, Whole]) -> None:
    read_scores(stages["evaluate"].out)
    metrics = stages["evaluate"].out / "metrics.json"
    text = metrics.read_text()
    metrics.write_text(text.replace("0.", "0.1", 1))
    with pytest.raises(Exception, match=r"metrics\.json is absent or not what scores\.json describes"):
        read_scores(stages["evaluate"].out)
    metrics.write_text(text)
