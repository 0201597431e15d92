"""Random numbers that need no generator state: each is a hash of a key and of what it is drawn for.

All arithmetic is on 64-bit integers, so that the bytes are equal on every machine. A *share* is a number from 0 up to,
but not including, 1, written as a multiple of 2 ** -32.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

UInts = NDArray[np.uint64]

ONE = 1 << 32
"""The upper bound of shares, which no share reaches."""
GOLDEN = 0x9E3779B97F4A7C15
"""2 ** 64 divided by the golden ratio: multiples of it are spread evenly over 64 bits."""
_MASK = (1 << 64) - 1


def key_of(seed: int, kind: str, name: str) -> int:
    """64 bits that look random and depend on nothing but the arguments, on every platform."""
    digest = hashlib.blake2b(f"{seed} {kind} {name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def purpose(number: int) -> int:
    """The addend of `draw` for one purpose: draws of one key for different purposes must not be related."""
    return 0x1000193 * (number + 1) << 20


def draw(keys: UInts, addend: int, slot: int = 0) -> UInts:
    """A random share for each key: the upper half of its hash."""
    return hash64(keys, addend + slot * GOLDEN) >> np.uint64(32)


def hash64(keys: UInts, addend: int) -> UInts:
    """The finaliser of splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014)."""
    x = keys + np.uint64(addend & _MASK)
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


def scale(steps: UInts, share: UInts) -> UInts:
    """floor(steps * share), exactly: below ``steps``, as a share is below 1. ``steps`` is at most 2 ** 63."""
    high, low = steps >> np.uint64(32), steps & np.uint64(ONE - 1)
    return high * share + (low * share >> np.uint64(32))
