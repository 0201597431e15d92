# One image for both services: `docker run IMAGE generator` and `docker run IMAGE ingester`.
#
# Packages come from the index that pip is set up for, in exactly the versions and with the hashes of the lock files;
# behind a mirror: docker build --build-arg PIP_INDEX_URL=… .

FROM python:3.11-slim-bookworm AS build
ARG PIP_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build

RUN python -m venv --without-pip /opt/switchboard
COPY requirements.lock requirements-dev.lock ./
RUN pip --python /opt/switchboard/bin/python install --require-hashes --only-binary :all: -r requirements.lock
# Of the other lock only what builds the package; pip refuses to go on if one is missing here.
RUN sed -n '/^\(hatchling\|packaging\|pathspec\|pluggy\|tomlkit\|trove-classifiers\)==/,/[^\\]$/p' \
        requirements-dev.lock >requirements-build.lock \
    && pip install --require-hashes --only-binary :all: -r requirements-build.lock

# The code comes last: a change of it leaves the layers above as they are.
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip wheel --no-deps --no-index --no-build-isolation --wheel-dir dist . \
    && pip --python /opt/switchboard/bin/python install --no-deps --no-index dist/*.whl

FROM python:3.11-slim-bookworm
COPY --from=build /opt/switchboard /opt/switchboard
ENV PATH=/opt/switchboard/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    SWITCHBOARD_HOST=0.0.0.0 \
    SWITCHBOARD_GENERATOR_HOST=0.0.0.0
# A switchboard.toml mounted here is found.
WORKDIR /etc/switchboard
# By number, so that Kubernetes can see that it is not root. It owns nothing in the image and writes to /tmp only.
USER 10001:10001
EXPOSE 8080 9001 9102
ENTRYPOINT ["switchboard"]
