"""How much of a file the libraries keep in memory that read it."""

# Bytes of decoded chunks that are kept of each variable of each open file.
_CHUNKS = 2**18


def keep_little() -> None:
    """Let NetCDF files that are opened from now on keep next to nothing of what was read.

    Blocks are whole chunks, each read once. netCDF4 would keep 64 MiB of every variable of every
    file that is open, of which xarray has up to 128: gigabytes, that grow with the record.
    """
    import netCDF4

    netCDF4.set_chunk_cache(_CHUNKS, 1009, 1.0)
