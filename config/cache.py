"""The Redis cache, borne when Redis is away: nothing is found, nothing is kept, and pages still work."""

from __future__ import annotations

import logging
from typing import Any

from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


class ForgivingRedisCache(RedisCache):
    """Only rate limits live here; while Redis is away they do not count, and people can still sign in."""

    def add(self, key: Any, value: Any, *args: Any, **kwargs: Any) -> bool:
        # True as if it were new: whoever uses `add` as a lock goes on without one.
        return bool(self._try("add", True, key, value, *args, **kwargs))

    def get(self, key: Any, default: Any = None, *args: Any, **kwargs: Any) -> Any:
        return self._try("get", default, key, default, *args, **kwargs)

    def set(self, key: Any, value: Any, *args: Any, **kwargs: Any) -> None:
        self._try("set", None, key, value, *args, **kwargs)

    def delete(self, key: Any, *args: Any, **kwargs: Any) -> bool:
        return bool(self._try("delete", False, key, *args, **kwargs))

    def _try(self, method: str, otherwise: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return getattr(super(), method)(*args, **kwargs)
        except (RedisError, OSError) as error:
            logger.warning("cache: Redis is away, going on without it: %s", error)
            return otherwise
