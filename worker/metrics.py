"""Metrics: what Prometheus may ask."""

from __future__ import annotations

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from worker.engine.images import ImageEngine
from worker.engine.text import TextEngine
from worker.jobs import Jobs


class Metrics(Collector):
    """Counters of this worker; figures of the engines and of trainings are read when they are asked for."""

    def __init__(self, text_engine: TextEngine, image_engine: ImageEngine, jobs: Jobs) -> None:
        self._text_engine, self._image_engine, self._jobs = text_engine, image_engine, jobs
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "prospero_requests", "Requests answered", ["method", "path", "status"], registry=self._registry
        )
        self.first_character = Histogram(
            "prospero_first_character_seconds", "From a request to its first character", registry=self._registry
        )
        ProcessCollector(registry=self._registry)
        self._registry.register(self)

    def count(self, request: web.Request, status: int) -> None:
        """Note an answer under its route, not under its address, of which there are without number."""
        route = request.match_info.route.resource
        path = route.canonical if route else "unknown"
        self._requests.labels(request.method, path, str(status)).inc()

    def collect(self) -> list[Metric]:
        characters = CounterMetricFamily("prospero_characters", "Characters written")
        characters.add_metric([], self._text_engine.characters)
        pictures = CounterMetricFamily("prospero_pictures", "Pictures drawn or looked at")
        pictures.add_metric([], self._image_engine.pictures)
        trainings = CounterMetricFamily("prospero_trainings", "Trainings that ended", labels=["status"])
        for status, number in self._jobs.ended.items():
            trainings.add_metric([status], number)
        waiting, running = (len(self._jobs.records.with_status(status)) for status in ("queued", "running"))
        return [
            characters,
            pictures,
            trainings,
            GaugeMetricFamily("prospero_pictures_waiting", "Requests for pictures in line", self._image_engine.waiting),
            GaugeMetricFamily("prospero_texts_running", "Texts that hold a slot", self._text_engine.running),
            GaugeMetricFamily("prospero_texts_waiting", "Texts that wait for a slot", self._text_engine.waiting),
            GaugeMetricFamily("prospero_trainings_running", "Trainings under way", running),
            GaugeMetricFamily("prospero_trainings_waiting", "Trainings that wait for their turn", waiting),
        ]

    def text(self) -> bytes:
        """The exposition, in Prometheus' text format."""
        return generate_latest(self._registry)
