# The image of the executor: it alone holds credentials.
#   docker build -f deploy/images/executor.Dockerfile --build-arg SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) .
# Pin the base in your build: --build-arg BASE=rust:1.95-bookworm@sha256:…
ARG BASE=rust:1.95-bookworm
FROM ${BASE} AS build
ARG SOURCE_DATE_EPOCH=0
ENV SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH}
WORKDIR /src
COPY . .
RUN deploy/images/build executor /rootfs

FROM scratch
COPY --from=build /rootfs/ /
USER 65532:65532
ENTRYPOINT ["/usr/bin/executor"]
