"""Runs side by side: trained on the same data with the same budget, scored on the same windows."""

from stforecast.comparison.ablation import ABLATION, ablated_settings, check_groups
from stforecast.comparison.campaign import Campaign, Done, make_campaign
from stforecast.comparison.contenders import Contender
from stforecast.comparison.figure import draw
from stforecast.comparison.output import write_comparison
from stforecast.comparison.results import gather
from stforecast.comparison.tables import campaign_table, comparison_table

__all__ = [
    "ABLATION",
    "Campaign",
    "Contender",
    "Done",
    "ablated_settings",
    "campaign_table",
    "check_groups",
    "comparison_table",
    "draw",
    "gather",
    "make_campaign",
    "write_comparison",
]
