"""Simulated switches that serve their counters as CSV over HTTP: for tests, demonstrations and load.

``fabric`` says what is simulated, ``profiles`` which values it has, ``snapshots`` turns a slot into bytes, ``app``
serves them.
"""
