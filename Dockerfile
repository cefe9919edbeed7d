# syntax=docker/dockerfile:1

# Both may be named otherwise, by a registry of one's own or by digest: --build-arg NODE_IMAGE=node@sha256:…. They have to be of
# one release of Debian, since Node.js is copied from the first into the second.
ARG NODE_IMAGE=docker.io/library/node:26-trixie-slim
ARG DEBIAN_IMAGE=docker.io/library/debian:trixie-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
# The compiler is itself an optional package of its platform, so optional packages cannot be left out above.
RUN npm run build

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The pinned Node.js is for machines that have an older one.
RUN npm ci --omit=dev --omit=optional --ignore-scripts
# What Node.js needs beyond the second image: from version 25 on, this library.
RUN mkdir /node && cp "$(command -v node)" /node/ && cp -L /usr/lib/*-linux-gnu/libatomic.so.1 /node/

# Debian and Node.js alone: no npm, no yarn, no headers, nothing that fetches or builds.
FROM ${DEBIAN_IMAGE}
COPY --from=dependencies /node/libatomic.so.1 /usr/local/lib/
COPY --from=dependencies /node/node /usr/local/bin/
# A volume takes its owner from the folder of the image; the second one is there for LATCHKEY_BACKUP_DIR. The link is for "docker exec" and the check below.
RUN ldconfig \
 && groupadd --gid 1000 latchkey \
 && useradd --uid 1000 --gid 1000 --no-create-home --home-dir /var/lib/latchkey --shell /usr/sbin/nologin latchkey \
 && install -d -m 0700 -o 1000 -g 1000 /var/lib/latchkey /var/backups/latchkey \
 && ln -s /app/scripts/latchkey.sh /usr/local/bin/latchkey
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY scripts/latchkey.sh ./scripts/
COPY --from=build /app/dist ./dist
ENV NODE_ENV=production \
    LATCHKEY_STATE_DIR=/var/lib/latchkey
LABEL org.opencontainers.image.title="Latchkey" \
      org.opencontainers.image.description="Just-in-time access through LDAP groups: an on-prem connector" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/debian:trixie-slim"
USER 1000:1000
VOLUME /var/lib/latchkey
STOPSIGNAL SIGTERM
# Unhealthy is not ready; such a connector still ends what is due, and needs no restart. It answers within 10 s or not at all.
HEALTHCHECK --interval=30s --timeout=15s --start-period=60s --retries=3 CMD ["latchkey", "health"]
# It becomes Node.js, with the flags that keep a fault from getting far (docs/security.md, "The process").
ENTRYPOINT ["/app/scripts/latchkey.sh"]
