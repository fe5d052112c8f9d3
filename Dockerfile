# One image for every role: `docker run tocsin api …`, `docker run tocsin project …`; docker-compose.yml starts them all.
# Without arguments it runs everything by itself, on an embedded PostgreSQL in the volume:
#   docker build -t tocsin . && docker run -p 8080:8080 -v tocsin:/var/lib/tocsin tocsin

FROM python:3.13-slim AS build
WORKDIR /build
COPY setup.cfg pyproject.toml constraints.txt README.md LICENSE ./
COPY tocsin tocsin
COPY domain domain
COPY eventlog eventlog
COPY commands commands
COPY projections projections
COPY workers workers
COPY api api
COPY sandbox sandbox
# The environment gets no installer of its own: it is filled from outside, and nothing can be added to it later.
RUN python -m venv --without-pip /opt/tocsin
RUN pip --python /opt/tocsin/bin/python install --only-binary :all: --constraint constraints.txt .

FROM python:3.13-slim
RUN useradd --uid 10001 --home-dir /var/lib/tocsin --create-home --shell /usr/sbin/nologin tocsin
RUN pip uninstall --yes pip
COPY --from=build /opt/tocsin /opt/tocsin
ENV PATH=/opt/tocsin/bin:$PATH PYTHONUNBUFFERED=1
USER tocsin
WORKDIR /var/lib/tocsin
VOLUME /var/lib/tocsin
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD ["tocsin", "healthy", "api", "--data", "/var/lib/tocsin"]
ENTRYPOINT ["tocsin"]
CMD ["up", "--data", "/var/lib/tocsin", "--host", "0.0.0.0"]
