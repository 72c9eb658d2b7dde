# The project and its environment, for an ordinary user:
#   docker build --tag regularization-lab . && docker run --rm -it -p 5000:5000 regularization-lab
FROM python:3.14-slim
RUN apt-get update && apt-get install --yes --no-install-recommends git make libgomp1 \
    && rm -rf /var/lib/apt/lists/* && useradd --create-home reader
WORKDIR /home/reader/project
RUN chown reader .
USER reader
COPY --chown=reader . .
RUN make setup PYTHON=python
CMD ["bash", "--rcfile", ".venv/bin/activate"]
