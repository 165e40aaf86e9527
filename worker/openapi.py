"""OpenAPI: the description of the worker's HTTP API, made from the schemas."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from worker.schemas.completions import Completion, CompletionRequest
from worker.schemas.contract import ErrorResponse
from worker.schemas.models import ModelInfo, ModelList, Readiness
from worker.schemas.pictures import GenerationRequest, Images, InterpolationRequest, VariationRequest
from worker.schemas.tokens import Detokenized, DetokenizeRequest, TokenizeRequest, TokenizerInfo, Tokens
from worker.schemas.training import (
    LONGEST_PAGE,
    PAGE,
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
    Upload,
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
    response: type[BaseModel] | None  # None: ``media``
    streams: bool = False
    query: tuple[str, ...] = ()  # names in QUERY
    form: bool = False  # whether the request is multipart/form-data, not JSON
    media: tuple[str, ...] = ()  # types that an answer without a shape may have


JSON, FORM, EVENTS = "application/json", "multipart/form-data", "text/event-stream"
PNG, TEXT, ZIP = "image/png", "text/plain", "application/zip"

QUERY: dict[str, dict[str, Any]] = {  # what may follow an address
    "limit": {
        "description": "How many entries.",
        "schema": {"type": "integer", "minimum": 1, "maximum": LONGEST_PAGE, "default": PAGE},
    },
    "after": {"description": "The id of the last entry of the page before.", "schema": {"type": "string"}},
    "versions": {"description": "Two names, such as v1,v2.", "required": True, "schema": {"type": "string"}},
}

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
    Operation(
        "get", "/v1/fine_tuning/jobs", "The trainings, the newest first.", None, JobList, query=("limit", "after")
    ),
    Operation("get", "/v1/fine_tuning/catalogue", "What can be trained, and on what.", None, TrainingCatalogue),
    Operation("get", "/v1/fine_tuning/jobs/{id}", "One training.", None, Job),
    Operation("post", "/v1/fine_tuning/jobs/{id}/cancel", "End a training.", None, Job),
    Operation("post", "/v1/fine_tuning/jobs/{id}/resume", "Take a training up that failed.", None, Job),
    Operation(
        "get",
        "/v1/fine_tuning/jobs/{id}/events",
        "What happened to a training, the newest first.",
        None,
        JobEventList,
        query=("limit", "after"),
    ),
    Operation("get", "/v1/fine_tuning/jobs/{id}/checkpoints", "A training's snapshot.", None, JobCheckpointList),
    Operation("get", "/v1/fine_tuning/jobs/{id}/samples/{step}", "A picture of a step.", None, None, media=(PNG,)),
    Operation("delete", "/v1/models/{id}", "Remove a version, by its id.", None, Deleted),
    Operation("get", "/v1/models/{model}/versions", "A model's versions, the newest first.", None, VersionList),
    Operation("delete", "/v1/models/{model}/versions/{version}", "Remove a version.", None, Deleted),
    Operation(
        "get",
        "/v1/models/{model}/versions/{version}/samples",
        "A version's sample sheet.",
        None,
        None,
        media=(PNG, TEXT),
    ),
    Operation("post", "/v1/models/{model}/promote", "Let a version serve.", Promotion, Switched),
    Operation("post", "/v1/models/{model}/rollback", "Let the version before serve again.", None, Switched),
    Operation(
        "get", "/v1/models/{model}/comparison", "Two versions side by side.", None, Comparison, query=("versions",)
    ),
    Operation("post", "/v1/files", "Hand a data set in.", Upload, File, form=True),
    Operation("get", "/v1/files", "The data sets that were handed in.", None, FileList),
    Operation("get", "/v1/files/{id}", "One of them.", None, File),
    Operation("delete", "/v1/files/{id}", "Forget one of them.", None, Deleted),
    Operation("get", "/v1/files/{id}/sheet", "Some of its pictures.", None, None, media=(PNG,)),
    Operation("get", "/v1/files/{id}/content", "What is kept of it.", None, None, media=(ZIP, TEXT)),
    Operation("get", "/healthz", "Whether the process answers.", None, None, media=(JSON,)),
    Operation("get", "/readyz", "Whether models are loaded.", None, Readiness),
    Operation("get", "/metrics", "Figures in Prometheus' format.", None, None, media=(TEXT,)),
    Operation("get", "/openapi.json", "This document.", None, None, media=(JSON,)),
]


def build() -> dict[str, Any]:
    """The document, OpenAPI 3.1."""
    used = {shape for operation in OPERATIONS for shape in (operation.request, operation.response) if shape}
    shapes = sorted(used | {ErrorResponse}, key=lambda shape: shape.__name__)
    template = "#/components/schemas/{model}"
    named, schemas = models_json_schema([(shape, "validation") for shape in shapes], ref_template=template)
    references = {shape: reference for (shape, _), reference in named.items()}
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _describe(operation, references)
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


def _describe(operation: Operation, references: Mapping[type, Any]) -> dict[str, Any]:
    """One operation; ``references`` lead to the schemas of shapes, of which two may have the same name."""
    content = {media: {"schema": _free(media)} for media in operation.media}
    if operation.response:
        content[JSON] = {"schema": references[operation.response]}
    if operation.streams:
        content[EVENTS] = {"schema": _free(EVENTS)}
    error = {JSON: {"schema": references[ErrorResponse]}}
    described: dict[str, Any] = {
        "summary": operation.summary,
        "responses": {
            "200": {"description": operation.summary, "content": content},
            "default": {"description": "What went wrong, and what to do.", "content": error},
        },
    }
    if operation.request:
        body = {FORM if operation.form else JSON: {"schema": references[operation.request]}}
        described["requestBody"] = {"required": True, "content": body}
    named = re.findall(r"{(\w+)}", operation.path)
    described["parameters"] = [
        *({"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in named),
        *({"name": name, "in": "query", **QUERY[name]} for name in operation.query),
    ]
    return described


def _free(media: str) -> dict[str, str]:
    """The schema of what has no shape."""
    if media == JSON:
        return {"type": "object"}
    return {"type": "string"} if media.startswith("text/") else {"type": "string", "format": "binary"}


DOCUMENT = build()
