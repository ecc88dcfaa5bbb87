"""Run in the peers' own environment: a client asks a service for the tensors in a file; the answers go to stdout as JSON.

usage: python peer_clients.py mlserver|kserve URL GRPC TENSORS
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import httpx
import numpy as np

NUMBERS = {"FP64": np.float64, "INT16": np.int16, "BOOL": np.bool_, "BYTES": np.object_}


def mlserver(url: str, grpc_url: str, tensors: list[dict[str, Any]]) -> list[list[float]]:
    import grpc
    from mlserver.codecs import NumpyCodec, StringCodec
    from mlserver.grpc import converters, dataplane_pb2_grpc
    from mlserver.types import InferenceRequest, InferenceResponse

    inputs = [
        StringCodec.encode_input(each["name"], each["data"])
        if each["datatype"] == "BYTES"
        else NumpyCodec.encode_input(each["name"], np.array(each["data"], NUMBERS[each["datatype"]]))
        for each in tensors
    ]
    request = InferenceRequest(inputs=inputs)
    json_body = {"content": request.model_dump_json(), "headers": {"content-type": "application/json"}}
    over_http = InferenceResponse.model_validate_json(
        httpx.post(f"{url}/v2/models/rides/infer", **json_body).text
    )
    with grpc.insecure_channel(grpc_url) as channel:
        sent = converters.ModelInferRequestConverter.from_types(
            request, model_name="rides", model_version=None
        )
        made = dataplane_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(sent)
    over_grpc = converters.ModelInferResponseConverter.to_types(made)
    return [NumpyCodec.decode_output(each.outputs[0]).flatten().tolist() for each in (over_http, over_grpc)]


async def kserve(url: str, grpc_url: str, tensors: list[dict[str, Any]]) -> list[list[float]]:
    from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest
    from kserve.inference_client import RESTConfig

    rest, grpc = InferenceRESTClient(RESTConfig(protocol="v2")), InferenceGRPCClient(grpc_url)
    assert await rest.is_server_ready(url) and await rest.is_model_ready(url, "rides")
    assert await grpc.is_server_ready()
    found = []
    for binary in (True, False):
        inputs = []
        for each in tensors:
            made = InferInput(each["name"], each["shape"], each["datatype"])
            values = np.array(each["data"], NUMBERS[each["datatype"]]).reshape(each["shape"])
            made.set_data_from_numpy(values, binary_data=binary)
            inputs.append(made)
        request = InferRequest("rides", inputs)
        for answer in (await rest.infer(url, request, model_name="rides"), await grpc.infer(request)):
            found.append(np.asarray(answer.outputs[0].as_numpy()).tolist())
    return found


if __name__ == "__main__":
    _, peer, *where, path = sys.argv
    sent = json.loads(Path(path).read_text())
    print(json.dumps(mlserver(*where, sent) if peer == "mlserver" else asyncio.run(kserve(*where, sent))))
