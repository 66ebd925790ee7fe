# A worker with a package of yours on top of Stoker's image (docs/environments.md). The build context is the package's folder,
# where its pyproject.toml is:
#   docker build --file docker/package.Dockerfile --build-arg NAME=shop-1.4 --build-arg "FUNCTIONS=shop.jobs:*" \
#     --build-arg CUSTOM_OBJECTS=shop.layers --tag shop-worker:1.4 ../shop
ARG PYTHON=3.11.13-slim-bookworm
ARG WORKER=stoker-cpu-worker

FROM python:${PYTHON} AS wheel
WORKDIR /src
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

# hadolint ignore=DL3006
FROM ${WORKER}
COPY --from=wheel /wheels /tmp/wheels
USER 0
# What the image has stays as it is: a package that asks for another TensorFlow is refused here, not by its first job.
RUN pip list --format=freeze > /tmp/constraints.txt \
    && pip install --no-cache-dir --constraint /tmp/constraints.txt /tmp/wheels/*.whl \
    && pip check \
    && rm -r /tmp/wheels /tmp/constraints.txt
USER 10001:10001
ARG NAME
ARG FUNCTIONS=
ARG CUSTOM_OBJECTS=
ENV STOKER_LABELS=image=${NAME} \
    STOKER_FUNCTIONS=${FUNCTIONS} \
    STOKER_CUSTOM_OBJECTS=${CUSTOM_OBJECTS}
