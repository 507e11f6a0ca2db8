"""Earlier versions: looked for from cheap to dear, published whole, written by one run at a time."""

import multiprocessing
import time
from pathlib import Path

from pipeline.shards.previous import Previous, open_partial, partial_of, publish


def test_without_a_repository_the_folder_and_its_partial_are_the_versions(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out.partial").mkdir()
    with Previous(tmp_path / "out") as previous:
        assert list(previous.folders()) == [tmp_path / "out", tmp_path / "out.partial"]
        assert list(previous.folders()) == [tmp_path / "out", tmp_path / "out.partial"]


def test_a_first_run_has_no_versions(tmp_path: Path) -> None:
    with Previous(tmp_path / "out") as previous:
        assert list(previous.folders()) == []


def test_publishing_replaces_the_folder_as_a_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for name in ("old", "new"):
        with open_partial(out) as partial:
            (partial / name).write_text(name)
            publish(partial, out)
    assert [path.name for path in out.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_publishing_over_a_link_leaves_its_target_alone(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").write_text("kept")
    (tmp_path / "out").symlink_to(tmp_path / "elsewhere")
    with open_partial(tmp_path / "out") as partial:
        publish(partial, tmp_path / "out")
    assert (tmp_path / "elsewhere" / "kept").exists()
    assert not (tmp_path / "out").is_symlink()


def write_slowly(out: Path, name: str) -> None:
    with open_partial(out) as partial:
        assert not any(partial.iterdir())
        (partial / name).write_text(name)
        time.sleep(1.0)
        publish(partial, out)


def test_a_second_run_waits_for_the_first(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    runs = [context.Process(target=write_slowly, args=(tmp_path / "out", name)) for name in ("one", "two")]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [run.exitcode for run in runs] == [0, 0]
    assert len(list((tmp_path / "out").iterdir())) == 1
    assert not partial_of(tmp_path / "out").exists()
