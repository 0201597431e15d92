"""The profile `ufm`: switches × ports × counters, in the shape and with the dirt of NVIDIA UFM Telemetry.

``columns`` says which columns there are, ``fabric`` which switches and ports, ``ports`` in which state a port is at a
slot. ``counters``, ``gauges`` and ``labels`` make cells of it, ``layout`` puts them into rows, ``body`` makes bodies,
checksums and tags, ``endpoints`` serves them.

Column names are those of NVIDIA's documentation (low-frequency telemetry fields, Telemetry to Fluentd streaming) and
of the consumers that NVIDIA publishes; the values are made up.
"""
