# Two images from one build: the server, and the client for a terminal.
#
#   docker build --target server --tag chitty-server .
#   docker build --target client --tag chitty .

FROM rust:1-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package chitty-server --package chitty

FROM debian:bookworm-slim AS base
# Not root; both folders are the user's, so that volumes on them can be written.
RUN useradd --system --uid 10001 --home-dir /home/chitty --create-home chitty \
    && install --directory --owner chitty --mode 0700 /data /logs
USER chitty
VOLUME ["/data", "/logs"]
ENV CHITTY_LOG_DIR=/logs

FROM base AS server
COPY --from=build /src/target/release/chitty-server /usr/local/bin/
ENV CHITTY_LISTEN=0.0.0.0:50051 CHITTY_DATA=/data
EXPOSE 50051
ENTRYPOINT ["chitty-server"]

FROM base AS client
COPY --from=build /src/target/release/chitty /usr/local/bin/
# Without a locale, the screen would be in ASCII.
ENV CHITTY_DATA=/data LANG=C.UTF-8
ENTRYPOINT ["chitty"]
