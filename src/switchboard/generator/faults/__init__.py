"""Faults: ways in which a source can misbehave, asked for by settings or at run time, for tests and demonstrations.

``kinds`` is the table of all faults, ``plan`` holds those that are switched on and draws which requests they hit. What
they do is in a file for each sort: ``instead`` (another answer), ``rows`` and ``times`` (other text), ``codings`` (bad
gzip), ``transport`` (slow, or broken off). ``injector`` stands before the good answers and puts them together,
``endpoint`` lets them be changed at run time.
"""
