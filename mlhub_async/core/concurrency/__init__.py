"""Structured concurrency: a pool of workers, groups of tasks, limits of descriptors and threads."""

from .descriptors import affordable_transfers as affordable_transfers
from .descriptors import descriptor_limit as descriptor_limit
from .descriptors import raise_open_file_limit as raise_open_file_limit
from .descriptors import spare_descriptors as spare_descriptors
from .groups import FirstErrorGroup as FirstErrorGroup
from .groups import LazyAwaitable as LazyAwaitable
from .groups import gather_pair as gather_pair
from .groups import prefetch_one as prefetch_one
from .groups import run_to_end as run_to_end
from .groups import wait_until_idle as wait_until_idle
from .pool import CURRENT_POOL as CURRENT_POOL
from .pool import PARKED_PER_WORKER as PARKED_PER_WORKER
from .pool import IdleSlots as IdleSlots
from .pool import fan_out as fan_out
from .pool import map_in_order as map_in_order
from .pool import parked as parked
from .pool import run_single as run_single
from .pool import shrink_pool as shrink_pool
from .threads import NO_THREADS as NO_THREADS
from .threads import ThreadPool as ThreadPool
from .threads import available_cores as available_cores
from .threads import can_start_threads as can_start_threads
from .threads import is_thread_limit as is_thread_limit
from .threads import loop_factory as loop_factory
