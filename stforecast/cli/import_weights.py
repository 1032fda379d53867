"""`stforecast import-weights`: a public checkpoint becomes a run."""

import shlex
from pathlib import Path
from typing import Any

import click

from stforecast.cli.options import experiment_options, store_option, talk_options
from stforecast.cli.session import Session
from stforecast.cli.study import name_of_store, open_store, open_study
from stforecast.config.text import parse_value
from stforecast.errors import ConfigError, DataError


class Numbers(click.ParamType):
    """Numbers with commas between them: one for each variable, or one for all."""

    name = "NUMBERS"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        try:
            return tuple(float(word) for word in str(value).split(","))
        except ValueError:
            self.fail(f"{value} is not a number, nor numbers with commas between them", param, ctx)


@click.command(
    "import-weights",
    epilog="""LAYOUT names the public code that the weights are of:

\b
    simvp_v1                  the SimVP authors' first repository
    openstl_simvp_inception   OpenSTL's SimVP_Model, model_type incepu
    openstl_simvp_gsta        the same, model_type gsta (SimVP-V2)
    openstl_simvp_tau         the same, model_type tau
    convlstm, predrnn, predrnn_v2, causal_lstm (PredRNN++), mim,
    e3d_lstm, phydnet         OpenSTL's models of these names
    crevnet                   the authors' CrevNet-Traffic4cast

TAU as OpenSTL publishes it for TaxiBJ learned counts scaled to [0, 1] by the smallest and largest
of its training period, 0 and 1292, and no calendar:

\b
    stforecast new taxibj --from taxibj --data TaxiBJ/BJ*.h5
    stforecast ingest -c taxibj.yaml
    stforecast import-weights openstl_simvp_tau taxibj_tau_cos_ep50.pth -c taxibj.yaml \\
        --set 'windows.covariates=[]' --minimum 0 --maximum 1292
    stforecast verify -c taxibj.yaml

Weights of the same model for other data, whose values were divided by their standard deviation:

\b
    stforecast import-weights openstl_simvp_tau best.ckpt -c t2m.yaml --mean 278.4 --std 21.2
""",
)
@click.argument("layout")
@click.argument("file", type=click.Path())
@click.option(
    "--spec",
    "spec",
    multiple=True,
    metavar="KEY=VALUE",
    help="A size that neither the weights nor the file's metadata tell, such as patch_size=4; may "
    "be repeated.",
)
@click.option("--mean", type=Numbers(), help="What windows.scaling: standard subtracts, and")
@click.option("--std", type=Numbers(), help="what it divides by.")
@click.option("--minimum", type=Numbers(), help="What the minmax scalings make 0 or -1, and")
@click.option("--maximum", type=Numbers(), help="what they make 1.")
@click.option("--replace", is_flag=True, help="Put the run in the place of one that is there.")
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="RUN",
    help="The folder of the run [default: that of the experiment].",
)
@store_option("that the run is for")
@experiment_options
@talk_options
def command(
    session: Session,
    layout: str,
    file: str,
    spec: tuple[str, ...],
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    minimum: tuple[float, ...] | None,
    maximum: tuple[float, ...] | None,
    replace: bool,
    output: str | None,
    store: str | None,
    config: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Make a run of weights that others published.

    The run computes what the public code does. FILE is a checkpoint (.pth, .pt, .ckpt) or
    .safetensors; nothing in it is executed. Weights that are missing, left over or of a wrong shape
    are named.

    Grid, variables, time step and split are those of the experiment's tensor store; windows.history
    must be that of the weights. The run's horizon is what they forecast at once, and longer
    forecasts go on from there. Values are scaled by windows.scaling with the statistics of the
    training period, or with what --mean and --std, or --minimum and --maximum, say: give what the
    weights were trained with, one number for each variable or one for all, with commas between.

    The experiment's section `model` plays no part. The run goes to runs/NAME/model, whole or not at
    all; then `stforecast forecast` and `verify` work as with a run trained here.
    """
    from stforecast.models.published import check_layout

    check_layout(layout)
    if not Path(file).is_file():
        raise DataError(f"there is no file {file}; name a checkpoint of {layout}")
    own_data = name_of_store(store) if store is not None else None
    study = open_study(session, config, overrides, own_data=own_data, store=store)
    sizes = _sizes(spec)
    tensor = open_store(study)
    from stforecast.training.imported import Normalisation, import_weights

    folder = study.model if output is None else output
    experiment = study.experiment
    card = import_weights(
        layout,
        file,
        tensor,
        folder,
        name=experiment.name,
        windows=experiment.windows,
        split=experiment.data.split,
        spec=sizes,
        normalisation=Normalisation(mean, std, minimum, maximum),
        experiment=study.described(),
        replace=replace,
        notify=session.note,
    )
    click.echo(f"Run: {folder}")
    run = study.run_flags if output is None else f" {shlex.quote(output)}"
    session.say(f"Next: stforecast forecast{run} --horizon {card.windows['horizon']}")


def _sizes(spec: tuple[str, ...]) -> dict[str, Any]:
    sizes = {}
    for text in spec:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ConfigError(f"--spec {text} is not KEY=VALUE, such as patch_size=4")
        sizes[key.strip()] = parse_value(value, f"--spec {text}")
    return sizes
