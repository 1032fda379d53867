"""What a model may learn from before the first step."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from stforecast.models.base import Sample
from stforecast.windows import GeneratedDataset, Transform, WindowDataset

# Windows that follow each other are much alike: so many, evenly spread, say what all of them do.
SAMPLES: Final = 1024


def prepared_samples(
    data: WindowDataset | GeneratedDataset, transform: Transform, batch_size: int
) -> Iterator[Sample]:
    """Training samples as a model sees them, batch by batch, the same in every process."""
    count = min(len(data), SAMPLES)
    chosen = np.linspace(0, len(data) - 1, count).round().astype(np.int64)
    for first in range(0, count, batch_size):
        batch = data[chosen[first : first + batch_size]]
        assert batch.target is not None
        history, covariates, state = transform.inputs(batch)
        target, valid = transform.encode_target(batch.target, state)
        yield history, covariates, target, valid
