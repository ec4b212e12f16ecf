# Two commands for a newcomer: `make survey` and `make test`. Both set up their own environment.
VENV ?= .venv
BIN := $(VENV)/bin
# Without bytecode files each process would compile torch and Lightning again, 10 s of CPU time.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: survey report publish-survey tune test verify verdicts book lists lint format bench setup clean

survey: setup          ## fetch CIFAR-10, train the losses, write reports/local/report/
	$(BIN)/lossatlas data fetch
	$(BIN)/lossatlas train -m sweep=quick_survey || test $$? -eq 1
	$(BIN)/lossatlas report --sweep quick_survey

report: setup          ## write reports/local/report/ from the runs that are there
	$(BIN)/lossatlas report

test: setup            ## the whole test suite
	$(BIN)/python -m pytest -n 2 --dist loadgroup

# From here on for maintainers: what these targets write is committed.

# rows-avx2.parquet: that survey on an Intel Xeon, ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2;
# rows-default.parquet: on an AMD EPYC, ATEN_CPU_CAPABILITY=default.
publish-survey: survey ## reports/quick/ from the runs of the survey, held against those of other processors
	$(BIN)/lossatlas runs export reports/quick/rows.parquet --sweep quick_survey
	$(BIN)/lossatlas report --sweep quick_survey -o reports/quick \
	  --check reports/quick/rows-avx2.parquet --check reports/quick/rows-default.parquet

tune: setup            ## the learning rates of the survey's losses, stored in conf/tuned/
	$(BIN)/lossatlas tune sweep=quick_survey -o conf/tuned

verify: setup          ## hold every loss to the contract and record which kept it
	$(BIN)/lossatlas test --all --jobs 2 --record
	$(MAKE) lists

lists: setup           ## the lists of losses, needs and calls in README.md and docs/
	$(BIN)/python tests/test_docs.py

verdicts: setup        ## decide the mathematics of every loss whose code or checker changed
	$(BIN)/lossatlas check --all --jobs 2 --record

book: setup            ## the card pages and the lecture, reports/cards/ and reports/lecture/, and the list of pages
	$(BIN)/lossatlas lecture -o reports/lecture
	$(BIN)/lossatlas card --all -o reports/cards
	$(BIN)/lossatlas pages reports

lint: setup            ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup           ## Lightning over a bare loop, sweeps over shell loops, plans, large stores
	$(BIN)/python scripts/bench_training.py
	$(BIN)/python scripts/bench_sweep.py
	$(BIN)/python scripts/bench_plan.py
	$(BIN)/python scripts/bench_store.py

setup: $(VENV)/.ready

$(VENV)/.ready: scripts/setup.sh pyproject.toml constraints.txt
	sh scripts/setup.sh $(VENV)

clean:                 ## the environment only; runs and reports stay
	rm -rf $(VENV)
