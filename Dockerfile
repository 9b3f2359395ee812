# One image for every service and every command; what runs is chosen by the arguments:
#   docker run tallyman services/consumer/src/main.ts
#   docker run tallyman scripts/commands/topology.ts
# Any image that has Node 24, npm and flock (util-linux) can be the base.
ARG BASE_IMAGE=node:24-slim

FROM ${BASE_IMAGE} AS packages
WORKDIR /app
COPY package.json package-lock.json ./
# Production packages only, and no package may run a script of its own here.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund && npm cache clean --force

FROM ${BASE_IMAGE}
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY package.json ./
COPY shared ./shared
COPY services ./services
COPY scripts ./scripts
# What runs owns nothing but the folder of the spool, so that a new volume mounted there is its own; the root filesystem can be read-only.
RUN mkdir /spool && chown 65532:65532 /spool && chmod 700 /spool
ENV NODE_ENV=production TALLYMAN_SPOOL_DIR=/spool
# By number: Kubernetes can tell that it is not root.
USER 65532:65532
# Exec form: Node is process 1, and SIGTERM reaches it.
ENTRYPOINT ["node"]
CMD ["--eval", "console.error('Say what to run, such as services/consumer/src/main.ts or scripts/commands/topology.ts.'); process.exitCode = 64"]
