# syntax=docker/dockerfile:1

FROM node:26-trixie-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
# The compiler is itself an optional package of its platform, so optional packages cannot be left out above.
RUN npm run build && chmod +x dist/main.js

FROM node:26-trixie-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The pinned Node.js is for machines that have an older one.
RUN npm ci --omit=dev --omit=optional --ignore-scripts

FROM node:26-trixie-slim
ENV NODE_ENV=production \
    LATCHKEY_STATE_DIR=/var/lib/latchkey
WORKDIR /app
# A volume takes its owner from the folder of the image; user 1000 is "node" in the base image. The link is for "docker exec".
RUN install -d -m 0700 -o 1000 -g 1000 /var/lib/latchkey && ln -s /app/scripts/latchkey.sh /usr/local/bin/latchkey
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY scripts/latchkey.sh ./scripts/
COPY --from=build /app/dist ./dist
USER 1000:1000
VOLUME /var/lib/latchkey
STOPSIGNAL SIGTERM
# It becomes Node.js, with the flags that keep a fault from getting far (docs/security.md, "The process").
ENTRYPOINT ["/app/scripts/latchkey.sh"]
