# Short names for the scripts; nothing needs make.
.PHONY: install test check ci locks schemas wasm soak vm vm-aarch64
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
soak:
	MAGICRUNE_SOAK=10000 .venv/bin/python -m pytest -s tests/e2e/test_worker_soak.py
vm:
	sh scripts/vm.sh
vm-aarch64:
	sh scripts/vm-aarch64.sh
