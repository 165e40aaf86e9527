"""The HTTP routes, one module for each part of the API, and the keys under which they find what they need."""

from aiohttp import web

from worker.datasets import Datasets
from worker.engine.images import ImageEngine
from worker.engine.text import TextEngine
from worker.gallery import Gallery
from worker.jobs import Jobs
from worker.metrics import Metrics
from worker.settings import Settings

SETTINGS = web.AppKey("settings", Settings)
TEXT_ENGINE = web.AppKey("text_engine", TextEngine)
IMAGE_ENGINE = web.AppKey("image_engine", ImageEngine)
GALLERY = web.AppKey("gallery", Gallery)
JOBS = web.AppKey("jobs", Jobs)
DATASETS = web.AppKey("datasets", Datasets)
METRICS = web.AppKey("metrics", Metrics)
