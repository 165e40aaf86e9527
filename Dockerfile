# Two images from one file: `docker build --target bot .` (without torch) and `docker build --target worker .`

FROM python:3.11-slim AS base
ENV PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_CACHE_DIR=/var/cache/pip PROSPERO_HOME=/data
RUN useradd --create-home prospero && mkdir /data && chown prospero /data
WORKDIR /app
VOLUME /data

FROM base AS bot
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY bot bot
COPY worker/__init__.py worker/
COPY worker/schemas worker/schemas
RUN --mount=type=cache,target=/var/cache/pip pip install --constraint constraints.txt --editable '.[bot]'
USER prospero
CMD ["python", "-m", "bot"]

FROM base AS worker
# What writes texts is compiled for the processor that it runs on; without a compiler it is many times slower.
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
ENV XDG_CACHE_HOME=/data/cache
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY worker worker
COPY models models
COPY checkpoints checkpoints
RUN --mount=type=cache,target=/var/cache/pip pip install --constraint constraints.txt --editable '.[worker]'
USER prospero
EXPOSE 8100
HEALTHCHECK --interval=30s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8100/healthz', timeout=5)"]
CMD ["python", "-m", "worker", "--host", "0.0.0.0", "--port", "8100"]
