"""Runs side by side: trained on the same data with the same budget, scored on the same windows."""
