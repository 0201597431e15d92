"""Simulated switches that serve their counters as CSV over HTTP: for tests, demonstrations and load.

``fabric`` says what is simulated, ``profiles`` which values it has (from ``draws`` and ``load``), ``snapshots`` turns a
slot into bytes, ``counters`` answers with them, by the ``conditions`` of a request. ``ufm`` is a profile with parts of
its own, whose bodies are too large to keep: ``streams`` sends them. ``service`` serves what the settings ask for, and
``faults`` spoil it.
"""
