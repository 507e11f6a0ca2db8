"""Prepare an encoder's artifact: from a package, the hub or a file, or fitted here on its task's train part."""

from typing import Any

from stages import PARAMS, WORKERS, ClipsFolder, Device, FeaturesFolder, OutFolder, Params, Plan, Recompute, Row, Workers, run_stage


def main(
    row: Row,
    clips: ClipsFolder,
    features: FeaturesFolder,
    out: OutFolder,
    params: Params = PARAMS,
    device: Device = "auto",
    workers: Workers = WORKERS,
    plan: Plan = False,
    recompute: Recompute = False,
) -> dict[str, Any]:
    """Prepare the encoder of a row of `encoders`: config.json and model.safetensors, one of each, or one for each fold.

    A fitted encoder sees only clips of its task's train part; config.json lists them. An artifact that an earlier version holds is copied;
    an interrupted fit goes on after its last finished epoch. --workers threads decode beside the device.

    Example: python -m stages.prepare_encoder demo_text data/clips/demo data/tokens/demo data/encoders/demo_text
    """
    from pipeline.embed.encoder import EncoderConfig
    from pipeline.params import read_row
    from pipeline.training.encoder_artifacts import Options, Sources, prepare_encoder

    config = read_row(params, "encoders", row, EncoderConfig, wiring=("corpus", "features"))
    return prepare_encoder(row, config, Sources(params, clips, features), out, Options(device, workers, recompute, plan))


if __name__ == "__main__":
    run_stage(main)
