# Each target installs what it needs (as root on Debian; else it says what is missing). What is slow to make is kept in ~/.cache/mtls.httpd.
#
#   make demo         the main job on this machine, in a scratch folder; KEEP=1 leaves its server running
#   make test         everything; lint, sanity, unit, integration, molecule, faults and newest are its parts
#   make test-long    the same with all that is slow (LONG=1, hours)
#                     MTLS_STOCK_LAYOUTS=FOLDER adds hosts with the stock files that lie there (tests/support/set-up-stock)
#   make environment  prepares all tools and images once, for who types `molecule`, `pytest` or `ansible-test`; its last line is the command for that
#   make bench        the costs of the design's budget, measured; writes docs/performance.md
#   make docs         the documentation site, into build/site/html
#   make bench-fleet  what hundreds of hosts cost the controller beside a ping; writes docs/fleet-costs.md and its picture
#   make generate     of the documentation of the module sites: the role's argument specification and docs/options.md; of the tables of codes:
#                     docs/messages.md; docs/pictures/; and docs/systems.md, of what tests/faults found (with RECORD=FILE they write it there)
#   make release      checks the artifact as Galaxy does, and says what to push; pushes nothing
#   make build        the artifact, and the tree made of it that all of these run on

COLLECTION := build/collections/ansible_collections/mtls/httpd
SOURCES := $(shell find $(CURDIR) -mindepth 1 \( -name build -o -name '.?*' -o -name __pycache__ \) -prune -o -print)
IN := tests/support/environment

export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/build/collections

PARTS := lint sanity unit integration molecule faults newest

.PHONY: build $(PARTS) test test-long demo demo-packages bench bench-fleet bench-growth docs environment generate release clean

build: $(COLLECTION)/MANIFEST.json
	@echo "The artifact is $$(echo build/artifact/*.tar.gz)"

# Tests and demo run on what ships: the artifact, built and installed.
$(COLLECTION)/MANIFEST.json: $(SOURCES)
	$(IN) run tests/support/install

$(PARTS): build
	$(IN) dev tests/run.py $@

test test-long: build
	$(IN) dev tests/run.py $(PARTS)

test-long: export LONG := 1

demo: demo-packages build
	KEEP=$(KEEP) $(IN) run tests/support/demo

# All at once, before anything is built: whoever may install nothing is told of all that is missing.
demo-packages:
	@tests/support/packages apache2-bin $$(python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv)

bench: build
	tests/support/packages apache2-utils
	$(IN) dev tests/support/containers tests/bench/bench.py

# HOSTS=500 of them, in five containers; a quiet machine needs half an hour.
bench-fleet: build
	$(IN) dev tests/support/containers tests/bench/fleet.py

bench-growth: build
	PYTHONPATH=build/collections $(IN) dev tests/bench/growth.py

generate:
	mkdir -p build
	$(IN) run python tests/support/argument_specs.py >build/argument_specs.yml
	cp build/argument_specs.yml roles/mutual_tls/meta/argument_specs.yml
	$(IN) run python tests/support/messages_page.py >build/messages.md
	cp build/messages.md docs/messages.md
	$(IN) run python tests/support/options_page.py >build/options.md
	cp build/options.md docs/options.md
	$(IN) run python tests/support/pictures.py docs/pictures
	$(IN) run python tests/support/fleet_costs.py docs
	$(IN) run python tests/support/growth_costs.py docs
	$(IN) run python tests/support/systems.py >build/systems.md
	cp build/systems.md docs/systems.md

environment: build
	@tests/support/packages apache2-bin curl libapache2-mod-security2 openssl shellcheck unzip || true
	@$(IN) dev tests/support/prepare

docs: build
	$(IN) site python tests/support/documentation_site.py

release: build
	$(IN) release tests/support/release

clean:
	rm -rf build tests/output
