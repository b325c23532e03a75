# syntax=docker/dockerfile:1
# Any Debian-based image with npm will do: the daemon runs on the Node that package-lock.json pins, not on the base's.
# Pin the base by digest for production: --build-arg BASE=node:26-slim@sha256:…
ARG BASE=node:26-slim

FROM ${BASE} AS install
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# No install script runs (.npmrc and allowScripts); development tools stay out.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund
# npm 10 and older leave the pinned Node unlinked; and what other platforms would need is most of the weight.
RUN ln -sf "../$(cd node_modules && echo node-linux-*/bin/node)" node_modules/.bin/node \
    && rm -rf node_modules/node-linux-*/include node_modules/node-linux-*/share \
    && rm -rf node_modules/onnxruntime-node/bin/*/darwin node_modules/onnxruntime-node/bin/*/win32

FROM ${BASE}
# Node needs libatomic1, which slim images lack; the broker's certificates come from Node itself.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libatomic1 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 reckoner \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/reckoner --shell /usr/sbin/nologin reckoner \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/reckoner
WORKDIR /app
COPY --from=install /app/node_modules node_modules
COPY package.json LICENSE ./
COPY domain domain
COPY models models
COPY projections projections
COPY config config
COPY adapters adapters
COPY src src
COPY ops/emergency-close ops/package.json ops/
ENV NODE_ENV=production \
    RECKONER_DEPLOYMENT_DATA_DIRECTORY=/var/lib/reckoner \
    PATH=/app/node_modules/.bin:$PATH
# Writes go to /var/lib/reckoner alone, so the root file system may be read-only.
VOLUME /var/lib/reckoner
USER 10001:10001
# `status` also answers for a daemon that is gone, out of the log; only a running one counts as healthy.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD node /app/src/main.ts status --json --config /etc/reckoner/reckoner.yaml | grep -q '"running": *true'
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/app/src/main.ts"]
CMD ["run", "--config", "/etc/reckoner/reckoner.yaml"]
