# The project and its environment, for an ordinary user:
#   docker build --tag regularization-lab . && docker run --rm -it regularization-lab
FROM python:3.14-slim
RUN apt-get update && apt-get install --yes --no-install-recommends make libgomp1 \
    && rm -rf /var/lib/apt/lists/* && useradd --create-home reader
WORKDIR /home/reader/project
RUN chown reader .
USER reader
COPY --chown=reader . .
ENV PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
RUN make setup PYTHON=python
CMD ["bash", "--rcfile", ".venv/bin/activate"]
