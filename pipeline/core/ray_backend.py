"""Ray's backend of joblib, which gives results all at once, made to give them one by one."""

from __future__ import annotations

from ray.util.joblib.ray_backend import RayBackend as _RayBackend


class RayBackend(_RayBackend):  # type: ignore[misc]
    """The backend; its callbacks come from threads of its own, one for each result, which is all that is needed."""

    supports_return_generator = True
