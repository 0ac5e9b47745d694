# The image of the agent, to try it: it has no shell, so it runs diagnostics and no scripts of a shell. On a
# machine that is a device, install the package. Build it as the image of the gateway: see Dockerfile.
FROM scratch
ARG TARGETARCH
LABEL org.opencontainers.image.title="fieldgate-agent" \
      org.opencontainers.image.source="https://github.com/fieldgate/fieldgate" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY ${TARGETARCH}/fieldgate-agent /fieldgate-agent
# The directory of the identity and of the journal, which is empty. It belongs to the user of the image, and
# so does a volume that is created from it.
COPY --chown=65532:65532 state /var/lib/fieldgate-agent
USER 65532:65532
ENV FIELDGATE_STATE=/var/lib/fieldgate-agent/device.json
VOLUME /var/lib/fieldgate-agent
STOPSIGNAL SIGTERM
ENTRYPOINT ["/fieldgate-agent"]
