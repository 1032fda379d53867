"""Options of the dask cluster that work may be spread over."""

from typing import Any

from pydantic import ConfigDict, Field, model_validator

from stforecast.options.base import Options
from stforecast.options.storage import Size


class ClusterOptions(Options):
    """Workers of ingest, of forecasts of many initial times, and of scores.

    Where nothing is said the work is done in this process.
    """

    model_config = ConfigDict(populate_by_name=True)

    scheduler: str | None = Field(
        None, description="address of a cluster that runs already, such as tcp://node1:8786"
    )
    kind: str | None = Field(
        None,
        alias="class",
        description="cluster to start for the time of the work: LocalCluster, on this machine, or "
        "any dask cluster class by its dotted name, such as dask_jobqueue.SLURMCluster",
    )
    workers: int | None = Field(
        None, ge=1, description="how many workers to start; by default one for each core"
    )
    threads: int | None = Field(
        None, ge=1, description="blocks that a worker does at the same time; by default 1"
    )
    memory_limit: Size | None = Field(
        None,
        description="memory of each worker, such as 4GB, beyond which it is started anew; by "
        "default an equal share of the machine's",
    )
    dashboard: bool = Field(
        False, description="whether a LocalCluster shows itself to a browser, which takes bokeh"
    )
    arguments: dict[str, Any] = Field(
        default_factory=dict, description="what else the class is called with"
    )
    wait: str = Field(
        "5min", description="how long to wait for the first worker, which a queue may keep back"
    )

    @model_validator(mode="after")
    def _one_cluster(self) -> "ClusterOptions":
        if self.scheduler is None:
            return self
        of_new = {
            "class": self.kind,
            "workers": self.workers,
            "threads": self.threads,
            "memory_limit": self.memory_limit,
            "dashboard": self.dashboard,
            "arguments": self.arguments,
        }
        for name, value in of_new.items():
            if value:
                raise ValueError(
                    f"{name} is of a cluster to start, and cluster.scheduler names one that runs; "
                    "give one of them"
                )
        return self

    @property
    def wanted(self) -> bool:
        """Whether there is to be a cluster at all."""
        return bool(self.scheduler or self.kind or self.workers or self.arguments)
