# The folder that is built holds this file and a static binary; see e2e/images.
FROM scratch
COPY optimization-operator /optimization-operator
USER 65532:65532
ENTRYPOINT ["/optimization-operator"]
