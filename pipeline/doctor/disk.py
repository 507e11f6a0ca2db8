"""Room on the disk for the stages that have not run, estimated from the shards that are there."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.clips.manifest import FILE_NAME
from pipeline.doctor.cache import cache_folder, choose_link
from pipeline.doctor.check import Check, Place, failed, find_nearest, ok, warning
from pipeline.doctor.rows import StageRow, read_rows
from pipeline.params import read_params
from pipeline.shards.shard import read_shard

FEATURES = ("crop_faces", "compute_logmel", "tokenize_text", "embed")
"""The stages whose outputs grow with the clips."""
LITTLE = 5 * 10**9
"""Bytes below which a disk is nearly full, whatever the estimate."""


@dataclass(frozen=True)
class Size:
    """What an output holds: clips and bytes."""

    clips: int
    bytes: int


def check_disk(place: Place) -> Iterator[Check]:
    """Check that the next output has room, and so has the cache, where the shards that are there say how large it will be."""
    rows = read_rows(place.root, read_params(place.params))
    lists = {row.key: place.root / row.outs[0] for row in rows if row.stage in ("index_clips", "import_features")}
    sizes = {row.name: _measure(place.root / row.outs[0]) for row in rows if row.stage in FEATURES}
    corpora = {corpus: _count_clips(folder) for corpus, folder in lists.items()}
    row = next((row for row in rows if row.name in sizes and sizes[row.name].clips < corpora.get(row.corpus, 0)), None)
    where = find_nearest(place.root / row.outs[0]) if row is not None else place.root
    cache = find_nearest(cache_folder(place.repo)) if place.repo is not None else where
    is_one = cache.stat().st_dev == where.stat().st_dev
    num_clips, rate = (corpora[row.corpus], _estimate(row, sizes)) if row is not None else (0, None)
    copies = 2 if is_one and place.repo is not None and choose_link(place.repo) == "copy" else 1
    needed = round(num_clips * (rate or 0))
    if row is None:
        told = "no clip waits for its features" if any(corpora.values()) else "no corpus is indexed here, so there is no estimate"
    elif rate is None:
        told = f"no shards of {row.stage} yet from which to estimate {row.name}"
    else:
        each = f"{num_clips} clips of {_write(rate)}" + ", and a copy in the cache" * (copies - 1)
        told = f"{row.name} will take about {_write(needed * copies)} ({each})"
    yield _judge("disk", where, needed * copies, told)
    if not is_one:
        yield _judge("cache disk", cache, needed, told)


def _judge(name: str, where: Path, needed: int, told: str) -> Check:
    """Return the check of the disk on which a path lies, of which so many bytes are needed."""
    free = shutil.disk_usage(where).free
    told = f"{_write(free)} free; {told}"
    if needed > free:
        remedy = "`dvc gc -w` frees what no branch needs any more; or a larger disk for the folder and `dvc cache dir`"
        return failed(name, told, remedy)
    if free - needed > LITTLE:
        return ok(name, told)
    return warning(name, told, "`dvc gc -w` frees what this working tree does not need; push first")


def _measure(folder: Path) -> Size:
    """Return what the shards below a folder hold; a clip that several folds have counts once."""
    ids: set[str] = set()
    num_bytes = 0
    for path in sorted(folder.rglob("shard-*.h5")):
        ids.update(read_shard(path).ids)
        num_bytes += path.stat().st_size
    return Size(len(ids), num_bytes)


def _count_clips(folder: Path) -> int:
    """Return how many clips a corpus lists; 0 before it is indexed."""
    path = folder / FILE_NAME
    if not path.is_file():
        return 0
    with path.open("rb") as file:
        return sum(1 for _ in file)


def _estimate(row: StageRow, sizes: dict[str, Size]) -> float | None:
    """Return bytes a clip: the row's own, else the largest of the stage's other rows; None without any."""
    alike = [size for name, size in sizes.items() if size.clips and name.split("@")[0] == row.stage]
    own = sizes[row.name]
    chosen = [own] if own.clips else alike
    return max((size.bytes / size.clips for size in chosen), default=None)


def _write(num_bytes: float) -> str:
    """Return a size in words."""
    for unit in ("B", "kB", "MB", "GB"):
        if num_bytes < 1000:
            return f"{num_bytes:.3g} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.4g} TB"
