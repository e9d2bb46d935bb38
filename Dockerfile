# syntax=docker/dockerfile:1
#
# Two images from one build: the server, and the client for a terminal.
#
#   docker build --target server --tag chitty-server .
#   docker build --target client --tag chitty .

FROM rust:1-slim-bookworm AS build
WORKDIR /src
COPY . .
# What was downloaded and compiled is kept from build to build, outside of the image: a change
# compiles what depends on it, as in a checkout. The images take the two programs only.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --profile dist --locked --package chitty-server --package chitty \
    && install --directory /out \
    && install target/dist/chitty-server target/dist/chitty /out

FROM debian:bookworm-slim AS base
# Not root; both folders are the user's, so that volumes on them can be written.
RUN useradd --system --uid 10001 --home-dir /home/chitty --create-home chitty \
    && install --directory --owner chitty --mode 0700 /data /logs
USER chitty
VOLUME ["/data", "/logs"]
ENV CHITTY_LOG_DIR=/logs

FROM base AS server
COPY --from=build /out/chitty-server /usr/local/bin/
ENV CHITTY_LISTEN=0.0.0.0:50051 CHITTY_DATA=/data
EXPOSE 50051
# By the address in CHITTY_LISTEN. A large chat is verified before it is served.
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s \
    CMD ["chitty-server", "health"]
ENTRYPOINT ["chitty-server"]

FROM base AS client
COPY --from=build /out/chitty /usr/local/bin/
# Without a locale, the screen would be in ASCII.
ENV CHITTY_DATA=/data LANG=C.UTF-8
ENTRYPOINT ["chitty"]
