# From data files to maps for any experiment file, as a Snakemake workflow (see README.md here):
#
#     snakemake -s pipelines/forecast.smk --cores all --config experiment=taxi.yaml
#
# A step runs again when what it reads has changed: the data files, the outputs of the steps before
# it, or the sections of the experiment that concern it.

import glob
import shlex
import sys

from stforecast.config import load_experiment, outputs

experiment_file = config.get("experiment")
horizon = config.get("horizon")
overrides = config.get("set", [])
overrides = [overrides] if isinstance(overrides, str) else list(overrides)

loaded = load_experiment(experiment_file, overrides)
sections = loaded.experiment.model_dump(mode="json")
split = sections["data"].pop("split")

flags = "" if experiment_file is None else f"-c {shlex.quote(str(experiment_file))}"
flags += "".join(f" --set {shlex.quote(text)}" for text in overrides)
ahead = "" if horizon is None else f"--horizon {shlex.quote(str(horizon))}"

PROGRAM = f"{shlex.quote(sys.executable)} -m stforecast"
STORE = loaded.store / "zarr.json"
RUN = loaded.model / "card.json"
FORECAST = loaded.folder / outputs.FORECAST
SCORES = loaded.folder / outputs.VERIFICATION / "scores.nc"
HINDCAST = loaded.folder / outputs.VERIFICATION / "hindcast.nc"
MAPS = loaded.folder / outputs.MAPS / ".done"


def data_files(wildcards):
    """Files of the user's; those inside an installed package do not change."""
    own = [name for name in loaded.files if not name.startswith("package:")]
    return sorted({path for name in own for path in (glob.glob(name, recursive=True) or [name])})


localrules:
    all,


rule all:
    input:
        FORECAST,
        SCORES,
        MAPS,


# `update` keeps what is there until the new is complete, as the commands do.
rule ingest:
    input:
        data_files,
    output:
        update(STORE),
    params:
        data=sections["data"],
    shell:
        "{PROGRAM} ingest {flags} --overwrite"


rule train:
    input:
        STORE,
    output:
        update(RUN),
    params:
        split=split,
        windows=sections["windows"],
        model=sections["model"],
        training=sections["training"],
    threads: workflow.cores
    shell:
        "{PROGRAM} train {flags} --replace"


rule forecast:
    input:
        STORE,
        RUN,
    output:
        update(FORECAST),
    params:
        horizon=ahead,
    shell:
        "{PROGRAM} forecast {flags} {ahead}"


rule verify:
    input:
        STORE,
        RUN,
    output:
        update(SCORES),
        update(HINDCAST),
    params:
        verification=sections["verification"],
    shell:
        "{PROGRAM} verify {flags}"


rule plot:
    input:
        FORECAST,
        HINDCAST,
    output:
        touch(MAPS),
    params:
        maps=sections["maps"],
    shell:
        "{PROGRAM} plot {flags}"
