"""A client that openapi-python-client generates from the document, against a live service."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from switchboard.api.describe.examples import EXAMPLES
from switchboard.api.describe.openapi import encoded_document
from switchboard.api.endpoints import ENDPOINTS
from tests.lab.cases import WORLDS
from tests.lab.fabric import Holder
from tests.lab.running_api import ask, running_api
from tests.lab.servers import PATIENCE_SECONDS

GENERATOR = "openapi-python-client"
ONE, PORTS = {"switch_id": "sw1", "metric": "latency_ms"}, {"switch_id": "a", "metric": "errors"}
SCALARS = {"float", "int", "str"}
"""Types whose values need no model."""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of the generated package, which can be imported."""
    program = shutil.which(GENERATOR)
    if program is None:
        pytest.skip(f"{GENERATOR} is not installed: pip install {GENERATOR}, in an environment of its own")
    folder = tmp_path_factory.mktemp("client")
    (folder / "openapi.json").write_bytes(encoded_document(ENDPOINTS))
    (folder / "config.yml").write_text("post_hooks: []\npackage_name_override: generated_client\n")
    command = [program, "generate", "--meta", "none", "--path", "openapi.json", "--config", "config.yml"]
    done = subprocess.run(
        [*command, "--output-path", "generated_client", "--fail-on-warning"],
        cwd=folder,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    sys.path.insert(0, str(folder))
    try:
        yield "generated_client"
    finally:
        sys.path.remove(str(folder))


def call(client: str, api: int, operation: str, tag: str = "telemetry", /, **arguments: Any) -> Any:
    """What the generated function of an operation makes of the answer."""
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])|\.", "_", operation).lower()
    function = importlib.import_module(f"{client}.api.{tag}.{snake}")
    with importlib.import_module(client).Client(f"http://127.0.0.1:{api}", raise_on_unexpected_status=True) as known:
        response = function.sync_detailed(client=known, **arguments)
    assert response.status_code == 200
    return response.parsed


def as_json(parsed: Any) -> Any:
    """A parsed answer as the value that it came from."""
    if isinstance(parsed, list):
        return [as_json(each) for each in parsed]
    return parsed.to_dict() if hasattr(parsed, "to_dict") else parsed


def type_names(parsed: Any) -> set[str]:
    return {type(each).__name__ for each in (parsed if isinstance(parsed, list) else [parsed])}


@pytest.mark.parametrize(
    ("world", "arguments", "name"),
    [
        ("live", ONE, "float"),
        ("live", ONE | {"verbose": True}, "CellReport"),
        ("ports", PORTS, "GetMetricValuesByPort"),
        ("ports", PORTS | {"verbose": True}, "GetMetricReportsByPort"),
        ("ports", PORTS | {"metric": "state", "port": "1"}, "str"),
        ("ports", PORTS | {"metric": "state"}, "GetMetricValuesByPort"),
    ],
)
def test_each_form_of_a_metric_has_its_type(client: str, world: str, arguments: dict[str, Any], name: str) -> None:
    """A value, values by port, and both with all that is known about them."""
    with running_api(Holder(WORLDS[world])) as port:
        parsed = call(client, port, "GetMetric", **arguments)
        query = "&".join(f"{key}={value}".replace("True", "true") for key, value in arguments.items())
        assert as_json(parsed) == ask(port, f"/telemetry/GetMetric?{query}").json()
    assert type_names(parsed) == {name}
    if name == "GetMetricReportsByPort":
        assert {type(each).__name__ for each in parsed.additional_properties.values()} == {"CellReport"}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: str(endpoint.path))
def test_every_endpoint_has_a_typed_answer(client: str, endpoint: Any) -> None:
    """Asked as its example asks, each function returns values of the document's types, and loses nothing."""
    operation = re.sub(r"\W+", "_", endpoint.path.rpartition("/")[2])
    tag = "telemetry" if endpoint.query is not None else "documentation" if endpoint.static else "service"
    example = EXAMPLES.get(endpoint.path)
    arguments: dict[str, Any] = {} if example is None else dict(example.parameters)
    body = b""
    with running_api(Holder(WORLDS["live"])) as port:
        if endpoint.posted:
            assert example is not None
            body = example.asked.encode()
            model = importlib.import_module(f"{client}.models").GetMetrics
            arguments = {"body": model.from_dict(json.loads(body))}
        elif arguments:
            parameters = json.loads(encoded_document(ENDPOINTS))["paths"][endpoint.path]["get"]["parameters"]
            arguments = {each["name"]: each["example"] for each in parameters if "example" in each}
        parsed = call(client, port, operation, tag, **arguments)
        target = f"{endpoint.path}?{example.asked}" if example is not None and not endpoint.posted else endpoint.path
        reply = ask(port, target, "POST" if body else "GET", body=body)
    assert parsed is not None
    if "json" in reply.headers["content-type"]:
        assert as_json(parsed) == reply.json()
        names = type_names(parsed)
        assert names <= SCALARS or all(name in dir(importlib.import_module(f"{client}.models")) for name in names)
        assert not [name for name in names if "200" in name], "a type without a name"
    elif endpoint.path != "/metrics":
        assert parsed == reply.text
