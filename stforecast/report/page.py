"""The page: one HTML file that needs nothing else."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import xarray as xr

from stforecast import names
from stforecast.card import RunCard
from stforecast.files import written_whole
from stforecast.maps.labels import Times
from stforecast.product.conform import conform
from stforecast.report.limits import caveats, shortcomings
from stforecast.report.provenance import grid_words, provenance
from stforecast.report.sections import definitions, glossary, sections
from stforecast.report.subject import Results, Subject
from stforecast.report.verdict import headline, verdict
from stforecast.report.words import counted, spoken


def write_report(
    scores: xr.Dataset,
    file: str | Path,
    *,
    forecasts: Mapping[str, xr.Dataset] | None = None,
    observations: xr.Dataset | None = None,
    cards: Mapping[str, RunCard] | None = None,
    sources: Sequence[Mapping[str, Any]] = (),
    files: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    command: str | None = None,
    overlay: str | None = None,
) -> Path:
    """Write a report of scores as one HTML page that needs no network and no other file.

    Args:
        scores: as :func:`stforecast.verification.verify` gives them.
        file: where the page goes; it appears whole or not at all.
        forecasts: the products that were scored, by the names that the scores have for them.
        observations: what they were held against. Without these two there are no maps of cases.
        cards: cards of the runs that made forecasts, by the same names.
        sources: the files of the observations: ``path``, ``size``, ``sha256`` of each.
        files: likewise those of forecasts that no card is of.
        command: the command line that made the scores.
        overlay: GeoJSON file or shapefile to draw over maps.

    Returns:
        The file.

    Raises:
        DataError: the scores are none. StForecastError: the file cannot be written.
    """
    products = {name: conform(product) for name, product in (forecasts or {}).items()}
    subject = Subject(
        Results(scores, _lead_words(scores, products)),
        products,
        observations,
        cards or {},
        sources,
        files or {},
        command,
        overlay,
    )
    text = render(subject)
    path = Path(file)
    with written_whole(path, "the report") as beside:
        beside.write_text(text, encoding="utf-8")
    return path


def render(subject: Subject) -> str:
    """The page as text."""
    results = subject.results
    shown = sections(subject)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("stforecast.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("report.html").render(
        title=f"Verification of {', '.join(results.forecasts)}",
        headline=headline(subject),
        verdict=verdict(subject),
        facts=_facts(subject),
        systems=_systems(results),
        shortcomings=shortcomings(subject),
        caveats=caveats(subject),
        sections=shown,
        glossary=glossary(results, shown),
        definitions=definitions(results),
        provenance=provenance(subject),
    )


def _lead_words(scores: xr.Dataset, products: Mapping[str, xr.Dataset]) -> list[str] | None:
    """Lead times that count steps, as months and years, which a forecast tells."""
    if not products or names.LEAD_TIME not in scores.coords:
        return None
    leads = scores[names.LEAD_TIME].values
    product = next(iter(products.values()))
    if leads.dtype.kind == "m" or product[names.LEAD_TIME].dtype.kind == "m":
        return None
    times = Times(product)
    return [times.lead(lead).lstrip("+") for lead in leads]


def _facts(subject: Subject) -> list[tuple[str, str]]:
    """What was scored, in a few numbers."""
    results = subject.results
    attrs = results.all.attrs
    zone = subject.attribute("data_timezone")
    period = str(attrs.get("period", "not told"))
    facts = [("period", period.removeprefix("initial times ").removeprefix("initial time "))]
    if zone:
        facts.append(("clock", str(zone)))
    if "initial_times" in attrs:
        facts.append(("initial times", counted(int(attrs["initial_times"]))))
    if results.has_leads:
        leads = results.leads
        several = f"{leads[0]} to {leads[-1]} ({len(leads)})" if len(leads) > 1 else leads[0]
        facts.append(("lead times", several))
    size = grid_words(subject)
    if size:
        facts.append(("cells", size))
    count = sum(int(value) for value in results.overall["count"].values.reshape(-1))
    facts.append(("values compared", counted(count)))
    return facts


def _systems(results: Results) -> list[tuple[str, str, str]]:
    """Name, kind and description of each forecast and reference."""
    sources = results.sources()
    rows = []
    for name in results.systems:
        kind = "reference" if name in results.references else "forecast"
        what = sources.get(name, "not described").removeprefix("reference forecast: ")
        rows.append((spoken(name) if kind == "reference" else name, kind, what))
    return rows
