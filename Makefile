# Short names for the scripts; nothing needs make.
.PHONY: install test check ci locks schemas wasm
install:
	sh scripts/install.sh
test:
	sh scripts/test.sh
check:
	sh scripts/check.sh
ci:
	.ci/run
locks:
	sh scripts/lock.sh
schemas:
	.venv/bin/python scripts/schemas.py
	.venv/bin/python scripts/samples.py
wasm:
	sh scripts/rebuild.sh --write
