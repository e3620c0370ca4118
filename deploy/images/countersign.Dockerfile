# The image of the person's command, with the packs that a change is signed over, for pods that
# mount a stopped executor's claim.
#   docker build -f deploy/images/countersign.Dockerfile --build-arg SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) .
# Pin the base in your build: --build-arg BASE=rust:1.95-bookworm@sha256:…
ARG BASE=rust:1.95-bookworm
FROM ${BASE} AS build
ARG SOURCE_DATE_EPOCH=0
ENV SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH} CARGO_INCREMENTAL=0
WORKDIR /src
COPY . .
# No path of the machine that builds is in the binary, so that two builds are the same bytes.
ENV RUSTFLAGS="--remap-path-prefix=/src=/countersign --remap-path-prefix=/usr/local/cargo=/cargo -Cstrip=symbols"
RUN cargo build --locked --release -p countersign --bin countersign \
 && deploy/images/rootfs target/release/countersign /rootfs executor/packs

FROM scratch
COPY --from=build /rootfs/ /
USER 65532:65532
ENTRYPOINT ["/usr/bin/countersign"]
