# syntax=docker/dockerfile:1
#
# One build gives two images: the server, and the client for a terminal.
#
#   docker build --target server --tag chitty-server .
#   docker build --target client --tag chitty .

FROM rust:1-slim-bookworm AS build
WORKDIR /src
COPY . .
# The caches keep downloads and compiled crates from build to build, outside of the image. A change
# therefore compiles only what depends on it, as in a checkout. The images get the two programs only.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --profile dist --locked --package chitty-server --package chitty \
    && install --directory /out \
    && install target/dist/chitty-server target/dist/chitty /out

FROM debian:bookworm-slim AS base
# The programs do not run as root. Both folders belong to their user, so volumes on them are writable.
RUN useradd --system --uid 10001 --home-dir /home/chitty --create-home chitty \
    && install --directory --owner chitty --mode 0700 /data /logs
USER chitty
VOLUME ["/data", "/logs"]
ENV CHITTY_LOG_DIR=/logs

FROM base AS server
COPY --from=build /out/chitty-server /usr/local/bin/
ENV CHITTY_LISTEN=0.0.0.0:50051 CHITTY_DATA=/data
EXPOSE 50051
# The check uses the socket in CHITTY_DATA, or the address in CHITTY_LISTEN. Failures in the start period do not count, because the
# server verifies a large chat before it serves.
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s \
    CMD ["chitty-server", "health"]
ENTRYPOINT ["chitty-server"]

FROM base AS client
COPY --from=build /out/chitty /usr/local/bin/
# Without a UTF-8 locale, the screen would be in ASCII.
ENV CHITTY_DATA=/data LANG=C.UTF-8
ENTRYPOINT ["chitty"]
