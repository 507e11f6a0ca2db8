"""List a corpus' labelled clips, hash their media and write its named splits."""

from pathlib import Path
from typing import Annotated, Any

import typer

from stages import PARAMS, MediaFolder, OutFolder, Params, Recompute, Row, run_stage


def main(
    row: Row,
    labels: Annotated[Path, typer.Argument(help="The corpus' labels, as its adapter reads them.")],
    media: MediaFolder,
    out: OutFolder,
    params: Params = PARAMS,
    recompute: Recompute = False,
) -> dict[str, Any]:
    """List the clips of a corpus, with a digest of each one's media.

    Writes clips.jsonl (one line a clip) and splits.json. Each media file is hashed once: size and modification time are remembered outside
    DVC's outputs. A clip whose media is not on this machine keeps the digest of the earlier clips.jsonl.

    Example: python -m stages.index_clips demo data/raw/demo/label.csv data/raw/demo data/clips/demo
    """
    from pipeline.clips.corpora import CorpusConfig, load_adapter
    from pipeline.clips.manifest import read_manifests, write_manifest
    from pipeline.clips.splits import check_ids, write_splits
    from pipeline.params import read_row
    from pipeline.shards.digests import add_digests
    from pipeline.shards.previous import Previous, open_partial, publish

    config = read_row(params, "corpora", row, CorpusConfig, wiring=("labels", "media"))
    clips, splits = load_adapter(config.adapter).read(labels, media)
    with Previous(out, recompute) as previous:
        cache = out.with_name(f"{out.name}.digests.log.sqlite")
        manifest, counts = add_digests(clips, media, cache, read_manifests(previous.folders()))
    check_ids(splits, manifest)
    with open_partial(out) as partial:
        write_manifest(manifest, partial)
        write_splits(splits, partial)
        publish(partial, out)
    return {"clips": len(manifest), "splits": {name: len(folds) for name, folds in splits.items()}, "media": counts}


if __name__ == "__main__":
    run_stage(main)
