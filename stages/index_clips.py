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
    partial: Annotated[
        bool, typer.Option("--partial", envvar="PIPELINE_PARTIAL", help="Accept an incomplete copy of the corpus; every report says so.")
    ] = False,
    recompute: Recompute = False,
) -> dict[str, Any]:
    """List the clips of a corpus, with a digest of each one's media.

    Writes clips.jsonl (one line a clip) and splits.json. Each media file is hashed once: size and modification time are remembered outside
    DVC's outputs. A clip whose media is not on this machine keeps the digest of the earlier clips.jsonl. A copy of the corpus that differs
    from the published counts is refused with a list of what is missing, unless --partial or `partial: true` in its row accepts it; then
    partial.json keeps that list, and clips without media are left out.

    Example: python -m stages.index_clips demo data/raw/demo/label.csv data/raw/demo data/clips/demo
    """
    from pipeline.clips.corpora import CorpusConfig
    from pipeline.clips.listing import refuse_incomplete, restrict, write_partial
    from pipeline.clips.manifest import read_manifests, write_manifest
    from pipeline.clips.splits import check_ids, write_splits
    from pipeline.params import read_row
    from pipeline.shards.digests import add_digests
    from pipeline.shards.previous import Previous, open_partial, publish

    config = read_row(params, "corpora", row, CorpusConfig, wiring=("labels", "media"))
    listing, accept = config.read(labels, media), partial or config.partial
    if not accept:
        refuse_incomplete(listing)
    with Previous(out, recompute) as previous:
        cache = out.with_name(f"{out.name}.digests.log.sqlite")
        manifest, counts = add_digests(listing.clips, media, cache, read_manifests(previous.folders()), accept)
    splits = restrict(listing.splits, manifest.ids) if accept else dict(listing.splits)
    check_ids(splits, manifest)
    with open_partial(out) as folder:
        write_manifest(manifest, folder)
        write_splits(splits, folder)
        lacking = write_partial(listing, manifest, folder)
        publish(folder, out)
    sizes = {name: len(folds) for name, folds in splits.items()}
    return {"clips": len(manifest), "splits": sizes, "media": counts, **lacking}


if __name__ == "__main__":
    run_stage(main)
