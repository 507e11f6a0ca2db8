"""The search of a task's zoo: the same trials for every row, on the valid part, and the overlay of params.yaml that it chooses.

What sees what: a trial never reads a test clip, and its seed is none of those that are reported. Of a split with one fold, nothing more is
to be said. Of rotated folds, the valid part of one is the test part of another, so that a choice made on fold 0 has seen as many of the
test clips as fold 0's valid part has. Every row has the same trials, so comparisons stay even; how many test clips had a say is written
with the results. A choice on all folds would let every test clip vote, and cost as many times more.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.embed.device import choose_device
from pipeline.errors import ModelError, ParamsError
from pipeline.fusion.base import ModelSpec
from pipeline.params import read_section, read_table
from pipeline.search.config import SearchConfig, draw_points
from pipeline.search.results import RowResult, TrialResult, write_results
from pipeline.search.trial_run import TrialRun, find_trial_runs, run_trial, trial_folder
from pipeline.search.trials import Trial, make_trials, without_own
from pipeline.tasks.task import Task
from pipeline.training.costs import estimate
from pipeline.training.dataset import FoldData
from pipeline.training.folds import Folders, FoldsReader
from pipeline.training.jobs import Job, make_jobs
from pipeline.training.runner import TrainOptions, leave_out_refusing, train_jobs
from pipeline.training.worker import Workplace
from pipeline.training.zoo import ZooRow, read_zoo

TRIALS = "trials"


def search_zoo(params: Path, task_name: str, folders: Folders, out: Path, options: TrainOptions) -> dict[str, Any]:
    """Bring every trial of a task's rows below `out`, and write search.json, search.md and tuned.yaml.

    Args:
        params: params.yaml, with the section `search`.
        task_name: its row of `tasks`.
        folders: of the corpus.
        out: written; finished trials in it are kept, and so are other rows' results of the same section `search`.
        options: `only` is one row, or "all"; None: the rows that the task trains.

    Returns:
        The summary: rows, trials, computed, reused, failed, seconds now and of all trials together.

    Raises:
        ParamsError: the section `search` is absent or wrong, or its `run_seed` is one that is reported.
        ModelError: the task can serve none of the rows, or each trial of a row failed.
    """
    began, task, config = time.monotonic(), Task.read(params, task_name), read_section(params, "search", SearchConfig)
    rows = read_rows(params, task, config, options.only)
    reader = FoldsReader(task, folders, rows)
    numbers = find_folds(reader, config)
    folds = [reader.read(number, with_test=False) for number in numbers]
    rows = leave_out_refusing(rows, task, folds[0][0])
    if not rows:
        raise ModelError(f"tasks.{task.name} can serve none of the rows; the reasons stand above")
    points = draw_points(config)
    trials = [trial for row in rows for trial in make_trials(row, points, config, spec_of(row, task, folds[0][0]))]
    jobs = [make_jobs(task, [trial.row], folds, reader.pictures) for trial in trials]
    every, root = list({job.fingerprint: job for each in jobs for job in each}.values()), out / TRIALS
    finished = find_trial_runs(every, root)
    if options.plan:
        return estimate(
            every, {job.fingerprint: trial_folder(root, job) for job in every if job.fingerprint in finished}, root, options.workers
        )
    root.mkdir(parents=True, exist_ok=True)
    missing = [job for job in every if job.fingerprint not in finished]
    place = Workplace.of(task, reader.load_pictures(folds, missing), root, str(choose_device(options.device)), reader.pictures)
    train_jobs(missing, place, options.workers, root, run_trial)
    results = judge(trials, jobs, find_trial_runs(every, root))
    write_results(results, task, config, count_voters(reader, numbers), params, out)
    return {
        "rows": len(rows),
        "trials": len(trials),
        "computed": len(missing),
        "reused": len(every) - len(missing),
        "failed": sum(each.score is None for result in results for each in result.trials),
        "seconds": round(time.monotonic() - began, 1),
        "seconds_of_all_trials": round(sum(result.seconds for result in results), 1),
    }


def read_rows(params: Path, task: Task, config: SearchConfig, only: str | None) -> tuple[ZooRow, ...]:
    """Return the rows to search, as the task trains them but for what is searched: there, their general values.

    So a search of tuned.yaml, or of a params.yaml into which its rows were copied, is the same search again.

    Raises:
        ParamsError: the search's seed is one of those that are reported.
    """
    rows, general = read_zoo(params, only, task.name), read_zoo(params, only)
    if only is None:
        chosen = task.config.rows(read_table(params, "zoo"))
        rows = tuple(row for row in rows if row.name in chosen)
    if any(config.run_seed in row.train.seeds for row in rows):
        raise ParamsError(f"{params}: search.run_seed {config.run_seed} is one of train.seeds; seeds that tune are never reported")
    named = {row.name: row for row in general}
    return tuple(without_own(row, named[row.name]) for row in rows)


def spec_of(row: ZooRow, task: Task, data: FoldData) -> ModelSpec:
    """What a row's model is built for."""
    return data.read_by(row).spec(task.config.kind, task.num_outputs)


def find_folds(reader: FoldsReader, config: SearchConfig) -> tuple[int, ...]:
    """The folds that are searched.

    Raises:
        ParamsError: the split has no such fold.
    """
    numbers = config.folds or tuple(range(len(reader.folds)))
    if max(numbers) >= len(reader.folds):
        raise ParamsError(f"search.folds names fold {max(numbers)}; the split `{reader.task.config.split}` has {len(reader.folds)}, from 0")
    return numbers


def count_voters(reader: FoldsReader, numbers: Sequence[int]) -> tuple[int, int]:
    """How many clips of any test part the searched folds select on, and of how many."""
    test = {i for fold in reader.folds for i in fold.test}
    return len(test & {i for number in numbers for i in reader.folds[number].valid}), len(test)


def judge(trials: Sequence[Trial], jobs: Sequence[Sequence[Job]], runs: Mapping[str, TrialRun]) -> list[RowResult]:
    """Return each row's trials with their mean scores over the searched folds, best chosen; of equals, the earlier.

    Raises:
        ModelError: no trial of a row has a score.
    """
    by_row: dict[str, list[TrialResult]] = {}
    for trial, each in zip(trials, jobs, strict=True):
        by_row.setdefault(trial.row.name, []).append(TrialResult(trial, tuple(runs[job.fingerprint] for job in each)))
    for name, results in by_row.items():
        if all(result.score is None for result in results):
            raise ModelError(f"{name}: none of its {len(results)} trials has a score; the first: {results[0].failed}")
    return [RowResult(name, tuple(results)) for name, results in by_row.items()]
