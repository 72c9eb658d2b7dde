"""joblib's Dask backend, which waits for ever for a task that Dask gave up, made to raise its error."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from joblib._dask import DaskDistributedBackend


class DaskBackend(DaskDistributedBackend):
    """The backend, with the callback that joblib waits for called on errors, too."""

    def submit(self, func: Callable[[], Any], callback: Callable[[Any], Any] | None = None) -> Any:
        """Send a batch of calls to the cluster."""

        def tell(future: Future[Any]) -> None:
            if callback is not None and (error := future.exception()) is not None:
                callback(error)

        future: Any = super().submit(func, callback)
        future.add_done_callback(tell)
        return future
