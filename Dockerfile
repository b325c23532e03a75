# syntax=docker/dockerfile:1
# Any Debian-based image with npm will do: the daemon runs on the Node that package-lock.json pins, not on the base's.
# Pin the base by digest for production: --build-arg BASE=node:26-slim@sha256:…
ARG BASE=node:26-slim

FROM ${BASE} AS install
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# No install script runs (.npmrc and allowScripts); development tools stay out.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

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
ENV NODE_ENV=production \
    RECKONER_DEPLOYMENT_DATA_DIRECTORY=/var/lib/reckoner \
    PATH=/app/node_modules/.bin:$PATH
# Writes go to /var/lib/reckoner alone, so the root file system may be read-only.
VOLUME /var/lib/reckoner
USER 10001:10001
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["node", "/app/src/main.ts", "status", "--config", "/etc/reckoner/reckoner.yaml"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/app/src/main.ts"]
CMD ["run", "--config", "/etc/reckoner/reckoner.yaml"]
