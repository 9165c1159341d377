# The hub in one container: pages are built with Node, the program is installed into a virtual environment, and the final
# image holds only Python and that environment. It runs as an unprivileged user and keeps everything in /data.

FROM node:20-slim AS assets
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tools/build_assets.mjs tools/
RUN node tools/build_assets.mjs

FROM python:3.11-slim AS program
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
RUN python -m venv /opt/firstline
ENV PATH=/opt/firstline/bin:$PATH
WORKDIR /src
COPY requirements.lock requirements-build.lock ./
RUN pip install -r requirements-build.lock -r requirements.lock
COPY . .
COPY --from=assets /src/web/static/vendor web/static/vendor
RUN for catalog in web/locale/*/LC_MESSAGES/*.po; do \
        [ ! -e "$catalog" ] || pybabel --quiet compile -i "$catalog" -o "${catalog%.po}.mo"; \
    done \
    && pip install --no-deps --no-build-isolation . \
    && pip uninstall --yes setuptools pip

FROM python:3.11-slim
LABEL org.opencontainers.image.title="Firstline" \
      org.opencontainers.image.description="Self-hosted omnichannel intake hub with a CRM core" \
      org.opencontainers.image.licenses="AGPL-3.0-or-later"
RUN useradd --system --uid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin firstline \
    && install -d -o firstline -g firstline -m 0750 /data
COPY --from=program /opt/firstline /opt/firstline
COPY deploy/docker/entrypoint.sh /usr/local/bin/firstline-entrypoint
ENV PATH=/opt/firstline/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER firstline
WORKDIR /data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
ENTRYPOINT ["firstline-entrypoint"]
CMD ["serve"]
