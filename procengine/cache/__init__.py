"""What were the last values of each series, and which values did columns have?"""

from procengine.cache.distinct.distinct_cache import DistinctCache, DistinctCacheStatistics
from procengine.cache.distinct.distinct_caches import DistinctCaches
from procengine.cache.holder import HolderSettings
from procengine.cache.last.last_cache import LastCache, LastCacheStatistics
from procengine.cache.last.last_caches import LastCaches

__all__ = [
    "DistinctCache",
    "DistinctCacheStatistics",
    "DistinctCaches",
    "HolderSettings",
    "LastCache",
    "LastCacheStatistics",
    "LastCaches",
]
