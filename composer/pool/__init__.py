"""A supervised pool of processes: it survives the loss of any of them, and knows nothing of images."""

from composer.pool.pool import Lost, Pool

__all__ = ["Lost", "Pool"]
