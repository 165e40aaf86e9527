"""OpenAPI: the description of the worker's HTTP API, made from the schemas."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from worker.schemas.completions import Completion, CompletionRequest
from worker.schemas.contract import ErrorResponse
from worker.schemas.models import ModelInfo, ModelList, Readiness
from worker.schemas.pictures import GenerationRequest, Images, InterpolationRequest, VariationRequest
from worker.schemas.tokens import Detokenized, DetokenizeRequest, TokenizeRequest, TokenizerInfo, Tokens
from worker.schemas.training import (
    Comparison,
    Deleted,
    File,
    FileList,
    Job,
    JobCheckpointList,
    JobEventList,
    JobList,
    JobRequest,
    Promotion,
    Switched,
    TrainingCatalogue,
    VersionList,
)
from worker.schemas.vision import (
    AnomalyRequest,
    BlendRequest,
    CompressionRequest,
    DecompressionRequest,
    DensityRequest,
    MapRequest,
    ReconstructionRequest,
    TranslationRequest,
    TraversalRequest,
    VisionAnswer,
)


class Operation(NamedTuple):
    method: str
    path: str
    summary: str
    request: type[BaseModel] | None
    response: type[BaseModel] | None  # None: plain text or free JSON
    streams: bool = False


OPERATIONS = [
    Operation("post", "/v1/completions", "Continue a text.", CompletionRequest, Completion, streams=True),
    Operation("post", "/v1/images/generations", "Draw pictures.", GenerationRequest, Images, streams=True),
    Operation("post", "/v1/images/variations", "Draw pictures near one.", VariationRequest, Images, streams=True),
    Operation(
        "post", "/v1/images/interpolations", "Walk between pictures.", InterpolationRequest, Images, streams=True
    ),
    *(
        Operation("post", path, summary, shape, VisionAnswer, streams=True)
        for path, summary, shape in (
            ("/v1/images/reconstructions", "Take a picture through a bottleneck and back.", ReconstructionRequest),
            ("/v1/images/anomalies", "Tell how unlike the training pictures one is, and where.", AnomalyRequest),
            ("/v1/images/blends", "Go from one picture to another.", BlendRequest),
            ("/v1/images/traversals", "Move one latent dimension at a time.", TraversalRequest),
            ("/v1/images/translations", "Paint over lines.", TranslationRequest),
            ("/v1/codes/compress", "Write a picture as a text short enough to paste.", CompressionRequest),
            ("/v1/codes/decompress", "Paint the picture of such a text.", DecompressionRequest),
            ("/v1/latents/map", "Lay remembered pictures out, and one's own among them.", MapRequest),
            ("/v1/latents/density", "Show where remembered pictures crowd and where they are lonely.", DensityRequest),
        )
    ),
    Operation("post", "/tokenize", "Tell a text's token ids.", TokenizeRequest, Tokens),
    Operation("post", "/detokenize", "Tell the text of token ids.", DetokenizeRequest, Detokenized),
    Operation("get", "/tokenizer_info", "What kind of token ids there are.", None, TokenizerInfo),
    Operation("get", "/v1/models", "The models and the versions that serve.", None, ModelList),
    Operation("get", "/v1/models/{id}", "One model, or one version of it.", None, ModelInfo),
    Operation("post", "/v1/fine_tuning/jobs", "Train a model.", JobRequest, Job),
    Operation("get", "/v1/fine_tuning/jobs", "The trainings, the newest first.", None, JobList),
    Operation("get", "/v1/fine_tuning/catalogue", "What can be trained, and on what.", None, TrainingCatalogue),
    Operation("get", "/v1/fine_tuning/jobs/{id}", "One training.", None, Job),
    Operation("post", "/v1/fine_tuning/jobs/{id}/cancel", "End a training.", None, Job),
    Operation("post", "/v1/fine_tuning/jobs/{id}/resume", "Take a training up that failed.", None, Job),
    Operation("get", "/v1/fine_tuning/jobs/{id}/events", "What happened to a training.", None, JobEventList),
    Operation("get", "/v1/fine_tuning/jobs/{id}/checkpoints", "A training's snapshot.", None, JobCheckpointList),
    Operation("get", "/v1/fine_tuning/jobs/{id}/samples/{step}", "A picture of a step, PNG.", None, None),
    Operation("delete", "/v1/models/{id}", "Remove a version, by its id.", None, Deleted),
    Operation("get", "/v1/models/{model}/versions", "A model's versions, the newest first.", None, VersionList),
    Operation("delete", "/v1/models/{model}/versions/{version}", "Remove a version.", None, Deleted),
    Operation("get", "/v1/models/{model}/versions/{version}/samples", "A version's sample sheet.", None, None),
    Operation("post", "/v1/models/{model}/promote", "Let a version serve.", Promotion, Switched),
    Operation("post", "/v1/models/{model}/rollback", "Let the version before serve again.", None, Switched),
    Operation("get", "/v1/models/{model}/comparison", "Two versions side by side (?versions=a,b).", None, Comparison),
    Operation("post", "/v1/files", "Hand a data set in (multipart: file, purpose, name).", None, File),
    Operation("get", "/v1/files", "The data sets that were handed in.", None, FileList),
    Operation("get", "/v1/files/{id}", "One of them.", None, File),
    Operation("delete", "/v1/files/{id}", "Forget one of them.", None, Deleted),
    Operation("get", "/v1/files/{id}/sheet", "Some of its pictures, PNG.", None, None),
    Operation("get", "/v1/files/{id}/content", "What is kept of it.", None, None),
    Operation("get", "/healthz", "Whether the process answers.", None, None),
    Operation("get", "/readyz", "Whether models are loaded.", None, Readiness),
    Operation("get", "/metrics", "Figures in Prometheus' format.", None, None),
    Operation("get", "/openapi.json", "This document.", None, None),
]


def build() -> dict[str, Any]:
    """The document, OpenAPI 3.1."""
    used = {shape for operation in OPERATIONS for shape in (operation.request, operation.response) if shape}
    shapes = sorted(used | {ErrorResponse}, key=lambda shape: shape.__name__)
    template = "#/components/schemas/{model}"
    _, schemas = models_json_schema([(shape, "validation") for shape in shapes], ref_template=template)
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _describe(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Prospero's worker", "version": "1"},
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _describe(operation: Operation) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": operation.summary}
    if operation.response:
        answer["content"] = _content(operation.response)
    if operation.streams:
        answer["content"]["text/event-stream"] = {"schema": {"type": "string"}}
    described: dict[str, Any] = {
        "summary": operation.summary,
        "responses": {
            "200": answer,
            "default": {"description": "What went wrong, and what to do.", "content": _content(ErrorResponse)},
        },
    }
    if operation.request:
        described["requestBody"] = {"required": True, "content": _content(operation.request)}
    if named := re.findall(r"{(\w+)}", operation.path):
        described["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in named
        ]
    return described


def _content(shape: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{shape.__name__}"}}}


DOCUMENT = build()
