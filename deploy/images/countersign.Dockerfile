# The image of the person's command, with the packs that a change is signed over, for pods that
# mount a stopped executor's claim.
#   docker build -f deploy/images/countersign.Dockerfile --build-arg SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) .
# Pin the base in your build: --build-arg BASE=rust:1.95-bookworm@sha256:…
ARG BASE=rust:1.95-bookworm
FROM ${BASE} AS build
ARG SOURCE_DATE_EPOCH=0
ENV SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH}
WORKDIR /src
COPY . .
RUN deploy/images/build countersign /rootfs

FROM scratch
COPY --from=build /rootfs/ /
USER 65532:65532
ENTRYPOINT ["/usr/bin/countersign"]
