# The image of what runs in production, every service and every command; the arguments choose:
#   docker build --tag tallyman .
#   docker run tallyman services/consumer/src/main.ts
#   docker run tallyman scripts/commands/tallyman.ts topology
# `--target laboratory` makes the image of what stands in for others in a trial: Stripe, and an application.
#
# Neither has a shell, nor npm: Node, what the services call, and the files that they import.
# Any image with Node 24, npm, flock (util-linux) and ldd can be the base.
ARG BASE_IMAGE=node:24-slim

FROM ${BASE_IMAGE} AS packages
WORKDIR /app
COPY package.json package-lock.json ./
# Production packages only, and no package may run a script of its own here.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund && npm cache clean --force

FROM ${BASE_IMAGE} AS files
WORKDIR /source
COPY package.json ./
COPY shared ./shared
COPY services ./services
COPY scripts ./scripts
RUN node scripts/proof/image/image-files.ts product /product && \
  node scripts/proof/image/image-files.ts laboratory /laboratory

# Node, flock, which locks the spool, and env, which starts `tallyman`, with the libraries they load, and how names are resolved.
FROM ${BASE_IMAGE} AS system
RUN set -eu; mkdir --parents /system/tmp /system/spool; chmod 1777 /system/tmp; \
  for program in node flock env; do \
  file=$(command -v "$program"); libraries=$(ldd "$file"); \
  cp --parents --dereference "$file" $(printf '%s\n' "$libraries" | grep --only-matching '/[^ ]*') /etc/nsswitch.conf /system; \
  done; \
  ln --symbolic /app/scripts/commands/tallyman.ts /system/usr/local/bin/tallyman; \
  # What runs owns nothing but the folder of the spool, so that a new volume mounted there is its own; the root filesystem can be read-only.
  chown 65532:65532 /system/spool; chmod 700 /system/spool

FROM scratch AS runtime
COPY --from=system /system /
COPY --from=packages /app/node_modules /app/node_modules
WORKDIR /app
ENV PATH=/usr/local/bin:/usr/bin:/bin NODE_ENV=production TALLYMAN_SPOOL_DIR=/spool
# By number: Kubernetes can tell that it is not root.
USER 65532:65532
# Exec form: Node is process 1, and SIGTERM reaches it.
ENTRYPOINT ["node"]
CMD ["--eval", "console.error('Say what to run, such as services/consumer/src/main.ts or scripts/commands/tallyman.ts.'); process.exitCode = 64"]

FROM runtime AS laboratory
COPY --from=files /laboratory ./

FROM runtime
COPY --from=files /product ./
