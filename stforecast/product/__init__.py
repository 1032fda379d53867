"""The forecast as people meet it: a georeferenced dataset, its file, and any other's likewise."""

from stforecast.product.build import build_product
from stforecast.product.conform import conform
from stforecast.product.open import open_product
from stforecast.product.write import write_product

__all__ = ["build_product", "conform", "open_product", "write_product"]
