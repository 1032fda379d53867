"""The Python interface: everything takes and returns :class:`xarray.Dataset`.

``import stforecast`` offers these names, each loaded when it is first used: torch comes with
``train`` and ``load`` only.
"""
