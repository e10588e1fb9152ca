# The server alone. Build:  docker build -t greenroom .
# Run:  docker run -p 8080:8080 -v greenroom-data:/data -e GREENROOM_SERVER__TOKEN=… -e OPENAI_API_KEY=… greenroom
# The token is needed because the container listens beyond loopback; clients send it as `Authorization: Bearer`.

FROM rust:1.95-bookworm AS build
WORKDIR /build
COPY . .
RUN cargo build --release --locked --package greenroom --bin greenroom
RUN mkdir /build/data

# glibc, libgcc and certificate authorities; no shell, no package manager. `nonroot` is user 65532.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /build/target/release/greenroom /greenroom
COPY --from=build --chown=65532:65532 /build/data /data
ENV GREENROOM_SERVER__LISTEN=0.0.0.0:8080 \
    GREENROOM_SERVER__DATA_DIR=/data \
    GREENROOM_LOG__FORMAT=json
USER 65532:65532
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["/greenroom", "health"]
# SIGTERM drains: live turns may take `server.drain_seconds` (30) to finish, so give it longer: docker stop --time 40
STOPSIGNAL SIGTERM
ENTRYPOINT ["/greenroom"]
CMD ["serve"]
