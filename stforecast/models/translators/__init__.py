"""Translators of SimVP: from the latent history to the latent forecast.

The door is the table: a further translator is one class, see :class:`Translator`, and one entry,
whose name is what ``model.translator`` says.
"""

from stforecast.models.translators.base import Translator
from stforecast.models.translators.gsta import GSTATranslator
from stforecast.models.translators.inception import InceptionTranslator
from stforecast.models.translators.tau import TAUTranslator

TRANSLATORS: dict[str, type[Translator]] = {
    "inception": InceptionTranslator,
    "gsta": GSTATranslator,
    "tau": TAUTranslator,
}

__all__ = ["TRANSLATORS", "Translator"]
