"""Reading a record that does not fit in memory: block by block, each one once in an epoch.

:mod:`grid` says what a block is, :mod:`order` in which order samples are drawn so that they come
from few blocks at a time and yet from all over the record, :mod:`plan` which block is to lie in
memory when, and :mod:`reader` reads ahead in threads.
"""
