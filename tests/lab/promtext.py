"""Prometheus text under a lens: what is wrong with a page of metrics, by rules of our own and by promtool."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.lab.servers import PATIENCE_SECONDS

OTHER_UNITS = re.compile(r"_(ms|milliseconds|micro|minutes|hours|kb|kib|mb|mib|kilobytes|megabytes|percent)(_|$)")
"""Units that Prometheus has a base unit for: seconds, bytes, ratios."""
HISTOGRAM_PARTS = ("_bucket", "_count", "_sum")

Sample = tuple[str, ...]


def samples(text: str) -> dict[Sample, float]:
    """Values by name and labels, as ``(name, "label=value", …)``."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[(sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items())))] = sample.value
    return found


def lint(text: str) -> Iterator[str]:
    """What is wrong with a page of metrics, as sentences."""
    helps, types = (dict(re.findall(rf"^# {word} (\S+) (.+)$", text, re.MULTILINE)) for word in ("HELP", "TYPE"))
    for word in ("HELP", "TYPE"):
        counted = Counter(re.findall(rf"^# {word} (\S+)", text, re.MULTILINE))
        yield from (f"{name} has {word} {times} times" for name, times in counted.items() if times > 1)
    lines = [line for line in text.split("\n") if line and not line.startswith("#")]
    alike = Counter(line.rpartition(" ")[0] for line in lines)
    yield from (f"{series} is there {times} times" for series, times in alike.items() if times > 1)
    names = {re.split(r"[{ ]", line, maxsplit=1)[0] for line in lines}
    for name in sorted(names):
        base = next((name.removesuffix(part) for part in HISTOGRAM_PARTS if name.endswith(part)), name)
        family = base if types.get(base) in {"histogram", "summary"} else name
        if family not in types:
            yield f"{name} has no TYPE"
            continue
        if not helps.get(family, "").strip():
            yield f"{name} has no HELP"
        if (types[family] == "counter") != name.endswith("_total"):
            yield f"{name} is a {types[family]}"
        if OTHER_UNITS.search(family.removesuffix("_total")):
            yield f"{name} has another unit than a base unit"
    used = names | {name.removesuffix(part) for name in names for part in HISTOGRAM_PARTS}
    yield from (f"{name} has a TYPE and no sample" for name in types.keys() - used)


def promtool_faults(text: str) -> str:
    """What ``promtool check metrics`` says; the test is skipped where there is no promtool."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: its package is prometheus, or promtool")
    done = subprocess.run(
        [promtool, "check", "metrics"],
        input=text.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return done.stdout.decode() or (f"exit code {done.returncode}" if done.returncode else "")
