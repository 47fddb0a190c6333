# One static program is the whole image. The context is a folder that holds the binary:
#   docker build --build-arg BIN=msg2agent-relay --file Dockerfile --tag msg2agent-relay FOLDER
FROM scratch
ARG BIN
COPY ${BIN} /app
USER 65532:65532
ENTRYPOINT ["/app"]
