# Everything a newcomer needs, on a machine with Python 3.11+ and pip.
PYTHON ?= python3
VENV ?= .venv
PYTEST ?= -n 2
BIN := $(VENV)/bin
EXTRAS := train,report,dev
STAMP := $(VENV)/.dependencies

.PHONY: demo test lint types format install clean

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'expected Python 3.11 or newer; set PYTHON=')"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[$(EXTRAS)]"
	touch $(STAMP)

install: $(STAMP)  ## a virtual environment with medenv, for work on it

demo: $(STAMP)  ## trains the reference agent on CPU and writes runs/demo/report.html
	$(BIN)/python examples/train_reference_agent.py --out runs/demo $(DEMO)

# Run from tests/, where the sources next door cannot be taken for the installed package.
test: $(STAMP)  ## the suite, against the package as it is installed from a wheel
	rm -rf build/wheel && $(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir build/wheel .
	$(BIN)/python -m pip install --quiet --no-deps --force-reinstall build/wheel/*.whl
	cd tests && ../$(BIN)/pytest $(PYTEST); status=$$?; cd .. && $(BIN)/python -m pip install --quiet --no-deps --editable . ; exit $$status

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)  ## strict types over the package as it is laid out once installed
	rm -rf build/types && $(BIN)/python -m pip install --quiet --no-deps --target build/types .
	cd build/types && ../../$(BIN)/mypy --config-file ../../pyproject.toml -p medenv

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf build dist *.egg-info
