# The image of the planner: it links nothing of the executor.
#   docker build -f deploy/images/planner.Dockerfile --build-arg SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) .
# Pin the base in your build: --build-arg BASE=rust:1.95-bookworm@sha256:…
ARG BASE=rust:1.95-bookworm
FROM ${BASE} AS build
ARG SOURCE_DATE_EPOCH=0
ENV SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH}
WORKDIR /src
COPY . .
RUN deploy/images/build planner /rootfs

FROM scratch
COPY --from=build /rootfs/ /
USER 65533:65533
ENTRYPOINT ["/usr/bin/planner"]
