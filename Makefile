# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# The one Makefile. Sources are found by wildcard: a new device, boot format or guest test needs no
# change here. Everything built goes below build/; `make help` lists the targets and switches.
#
#	DEBUG=1					no optimisation, in build/debug
#	SANITIZE=address,undefined | thread	in build/address-undefined or build/thread
#	V=1					show the commands

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

VERSION := $(shell cat VERSION)

comma := ,
variant := $(if $(DEBUG),/debug)$(if $(SANITIZE),/$(subst $(comma),-,$(SANITIZE)))
B ?= build$(variant)
Q := $(if $(V),,@)
say = $(if $(V),@:,@printf '  %-7s %s\n' $(1) $(2))

# --- packages ---------------------------------------------------------------------------------
# scripts/setup checks for the Debian packages a goal needs and, for the goals that promise to set
# the machine up, installs them. It writes a makefile fragment, which make includes and, after
# writing it, starts over with.

goals := $(or $(MAKECMDGOALS),all)
setup_goals := $(filter demo test deb check-package prove bench bench-lab lint docs lab-test lab-test-full faults lost valgrind fuzz fuzz-smoke,$(goals))
install := $(if $(setup_goals),--install)
ifneq ($(filter-out help clean,$(goals)),)
include build/deps-build.mk $(patsubst %,build/deps-%.mk,$(sort $(patsubst deb,package,$(setup_goals:check-package=package))))
ifneq ($(filter tests,$(goals))$(findstring /tests/,$(goals)),)
include build/deps-test.mk
endif
endif

build/deps-%.mk: scripts/setup
	$(Q)mkdir -p $(@D)
	$(Q)scripts/setup $(install) $* >$@.tmp && mv $@.tmp $@

# --- flags ------------------------------------------------------------------------------------

CC ?= cc
ifeq ($(origin CC),default)
CC := gcc
endif
AR := $(if $(findstring clang,$(CC)),$(shell command -v llvm-ar || echo ar),gcc-ar)
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
	-Wpointer-arith -Wundef -Wformat=2 -Wno-format-nonliteral $(if $(findstring clang,$(CC)),-Wno-unknown-warning-option)
# Fences are there for other processes' and guests' eyes; TSan knows only what goes through it.
WARN += $(if $(findstring thread,$(SANITIZE)),-Wno-tsan)
OPT := $(if $(DEBUG),-O0,$(if $(SANITIZE),-O1,-O2))
HARDEN := -fstack-protector-strong -fstack-clash-protection -fcf-protection $(if $(DEBUG)$(SANITIZE),,-D_FORTIFY_SOURCE=3)
# Nothing of where it was built is in what is built.
SAME := -ffile-prefix-map=$(CURDIR)=.
SAN := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)
CFLAGS_ALL = -std=gnu11 -g $(OPT) $(WARN) $(HARDEN) $(SAME) $(SAN) -fPIE -pthread -ffunction-sections -I. -D_GNU_SOURCE \
	-DVMM_VERSION='"$(VERSION)"' $(DEP_CFLAGS) $(CFLAGS)
LDFLAGS_ALL = -pie -pthread -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed $(SAN) $(LDFLAGS)
DEPFLAGS = -MMD -MP

# --- what there is ----------------------------------------------------------------------------

O := $(B)/obj
objs = $(patsubst %.c,$(O)/%.o,$(wildcard $(addsuffix /*.c,$(1))))

GUESTMEM_OBJS := $(call objs,guestmem)
# What takes a library that need not be there is linked by name, and into the static binary not at
# all; whoever uses it refers to it weakly. User-mode networking; configuration and control in JSON.
EXTRA_SLIRP := $(O)/devices/net-user%
EXTRA_JANSSON := $(O)/vmm/config% $(O)/vmm/control%
# The C library's regular expressions would be a tenth of the static binary.
EXTRA_REGEX := $(O)/vmm/expect%
# The static binary has no control socket, and leaves asking others' to those that have.
EXTRA_CTL := $(O)/vmm/ctl%
EXTRAS := $(EXTRA_SLIRP) $(EXTRA_JANSSON) $(EXTRA_REGEX) $(EXTRA_CTL)
DEVICES_OBJS := $(filter-out $(EXTRAS),$(call objs,devices))
VMM_OBJS := $(filter-out $(EXTRAS) $(O)/vmm/main.o,$(call objs,vmm))
extra = $(if $(filter -DHAVE_$(1),$(DEP_CFLAGS)),$(filter $(EXTRA_$(1)),$(call objs,devices vmm)))
EXTRA_OBJS := $(filter $(EXTRA_REGEX) $(EXTRA_CTL),$(call objs,vmm)) $(call extra,SLIRP) $(call extra,JANSSON)
LIBS := $(B)/libvmm.a $(B)/libdevices.a $(B)/libguestmem.a

TINY := $(patsubst guest/tiny/%.S,$(B)/guest/tiny/%.bin,$(wildcard guest/tiny/*.S))
TEST_DIRS := guestmem devices vmm kvm
TESTS := $(TEST_DIRS:%=$(B)/tests/test-%)
BENCHES := $(patsubst tests/bench/%.c,$(B)/%,$(wildcard tests/bench/*.c))
FUZZ_TARGETS := $(sort $(patsubst tests/fuzz/fuzz-%.c,%,$(wildcard tests/fuzz/fuzz-*.c)))
REPLAYS := $(FUZZ_TARGETS:%=$(B)/tests/replay-%)
# Loaded before the C library, so never with a sanitizer, which is, too.
PRELOADED := $(if $(SANITIZE),,$(B)/tests/libfault.so $(B)/tests/libintrude.so)
TOOLS := $(patsubst tests/tools/%.c,$(B)/%,$(wildcard tests/tools/*.c))

.PHONY: all static guest tests test prove reproducible soak demo bench bench-lab lint lab-test lab-test-full faults lost valgrind fuzz fuzzers fuzz-smoke clean help
all: $(B)/vmm $(B)/libguestmem.a guest ## build/vmm, libguestmem and the test kernel
static: $(B)/vmm-static ## build/vmm-static, without shared libraries
guest: $(B)/guest/kernel.elf $(TINY) ## the test kernel and the tiny test guests
tests: $(TESTS) $(REPLAYS) $(PRELOADED) $(if $(SANITIZE),,$(BENCHES)) $(B)/conformance $(TOOLS) all ## build the tests without running them

$(B)/libguestmem.a: $(GUESTMEM_OBJS)
$(B)/libdevices.a: $(DEVICES_OBJS)
$(B)/libvmm.a: $(VMM_OBJS)
$(LIBS):
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# A library that aborts for want of memory is to say so: see there.
$(B)/vmm $(B)/vmm-static: LDFLAGS_ALL += -Wl,--wrap=abort

$(B)/vmm: $(O)/vmm/main.o $(EXTRA_OBJS) $(LIBS)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(DEP_LIBS)

# One small file: objects of its own, compiled for size.
SMALL := $(patsubst $(O)/%,$(O)/small/%,$(O)/vmm/main.o $(VMM_OBJS) $(DEVICES_OBJS) $(GUESTMEM_OBJS))
$(O)/small/%.o: %.c Makefile
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(if $(DEBUG),,-Os) $(DEPFLAGS) -c -o $@ $<

$(B)/vmm-static: $(SMALL) vmm/static.ld
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -static-pie -Wl,--gc-sections,-z,pack-relative-relocs,-z,noseparate-code \
		-Wl,--no-eh-frame-hdr,-T,vmm/static.ld -o $@ $(SMALL) $(DEP_LIBS)
	$(Q)strip $@

# Nothing unwinds through the monitor but debuggers, which read what -g writes.
$(VMM_OBJS) $(DEVICES_OBJS) $(EXTRA_OBJS) $(O)/vmm/main.o $(SMALL): CFLAGS_ALL += $(if $(SANITIZE),,-fno-asynchronous-unwind-tables)

# Others need not be compiled again when a library is another one.
$(O)/vmm/version.o $(O)/small/vmm/version.o: CFLAGS_ALL += $(DEP_VERSIONS)

$(O)/%.o: %.c Makefile
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(DEPFLAGS) -c -o $@ $<

# --- the test kernel: freestanding, no sanitizers -----------------------------------------------

GUEST_CFLAGS := -std=gnu11 -O2 -g $(SAME) -ffreestanding -fno-pic -fno-pie -mno-red-zone \
	-mgeneral-regs-only -mcmodel=small -fno-stack-protector -fcf-protection=none \
	-fno-asynchronous-unwind-tables -Wall -Wextra -Werror -I.
GUEST_OBJS := $(patsubst %,$(O)/%.o,$(basename $(wildcard guest/*.S guest/*.c guest/tests/*.c)))

$(GUEST_OBJS): CFLAGS_ALL = $(GUEST_CFLAGS)
$(O)/guest/%.o: guest/%.S Makefile
	$(call say,AS,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_CFLAGS) $(DEPFLAGS) -c -o $@ $<

$(B)/guest/kernel.elf: $(GUEST_OBJS) guest/link.ld
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -nostdlib -static $(if $(findstring clang,$(CC)),,-no-pie) -T guest/link.ld -Wl,--build-id=none \
		-Wl,-z,noexecstack -Wl,-z,max-page-size=4096 -o $@ $(GUEST_OBJS)

$(B)/guest/tiny/%.bin: $(O)/guest/tiny/%.o
	$(Q)mkdir -p $(@D)
	$(Q)ld -Ttext 0x1000 --oformat binary -e 0x1000 -o $@ $<

# --- tests --------------------------------------------------------------------------------------

# What a program takes from another's.
PARTS_kvm := $(O)/tests/devices/net-ns.o
PARTS_vmm := $(O)/tests/jail/actions.o
TEST_LIBS = $(LIBS) $(CHECK_LIBS) $(DEP_LIBS)
define test_program
$(B)/tests/test-$(1): $(call objs,tests/$(1)) $(PARTS_$(1)) $(O)/tests/runner.o $(EXTRA_OBJS) $(LIBS)
	$$(call say,LD,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS_ALL) -o $$@ $$(filter %.o,$$^) $$(TEST_LIBS)
endef
$(foreach dir,$(TEST_DIRS),$(eval $(call test_program,$(dir))))

# --- fuzz targets: with libFuzzer, and with their corpora as tests ---------------------------------

FUZZ_PARTS := $(O)/tests/fuzz/device.o $(O)/tests/devices/net-fake.o $(O)/devices/net-user-words.o
FUZZ_memory := $(filter $(O)/tests/guestmem/property%,$(call objs,tests/guestmem))
FUZZ_config := $(filter $(O)/vmm/config%,$(EXTRA_OBJS))
FUZZ_gdb := $(O)/tests/vmm/gdb-fake.o
FUZZ_control := $(O)/tests/vmm/control-fake.o $(O)/vmm/control-session.o $(O)/vmm/ctl-table.o
# What may reach out to the host is answered by the target.
FUZZ_LDFLAGS_config := -Wl,--wrap=fopen
FUZZ_LDFLAGS_options := $(patsubst %,-Wl$(comma)--wrap=%,open __open_2 fopen connect bind mkfifo unlink posix_openpt)
link_fuzz = $(Q)$(CC) $(LDFLAGS_ALL) $(FUZZ_LDFLAGS_$*) $(1) -o $@ $(filter %.o,$^) $(LIBS) $(DEP_LIBS)

.SECONDEXPANSION:
$(REPLAYS): $(B)/tests/replay-%: $(O)/tests/fuzz/fuzz-%.o $(O)/tests/fuzz/replay.o $(FUZZ_PARTS) $$(FUZZ_$$*) $(LIBS)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(link_fuzz)

# Only where SANITIZE says fuzzer-no-link: scripts/fuzz does.
fuzzers: $(FUZZ_TARGETS:%=$(B)/fuzz-%)
$(B)/fuzz-%: $(O)/tests/fuzz/fuzz-%.o $(FUZZ_PARTS) $$(FUZZ_$$*) $(LIBS)
	$(call say,LD,$@)
	$(call link_fuzz,-fsanitize=fuzzer)

$(call objs,tests/faults tests/jail): CFLAGS_ALL += -fPIC -fno-builtin -U_FORTIFY_SOURCE
$(B)/tests/libfault.so: $(call objs,tests/faults)
$(B)/tests/libintrude.so: $(call objs,tests/jail)
$(B)/tests/libfault.so $(B)/tests/libintrude.so:
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -shared -Wl,-z,relro,-z,now -o $@ $^

$(B)/conformance: $(call objs,tests/conformance) $(B)/libguestmem.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(DEP_LIBS)

$(BENCHES): $(B)/%: $(O)/tests/bench/%.o $(EXTRA_OBJS) $(LIBS)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(DEP_LIBS)

$(TOOLS): $(B)/%: $(O)/tests/tools/%.o
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^

test: tests $(if $(SANITIZE),,static library man) ## set up the machine, run all tests, close with N passed, M failed, K skipped
	$(Q)VMM_BUILD=$(B) scripts/run-tests

valgrind: $(B)/tests/test-guestmem ## the library's tests under valgrind: SUITES="..." (all)
	$(Q)PROPERTY_ROUNDS=5 CK_TIMEOUT_MULTIPLIER=20 valgrind -q --error-exitcode=9 --leak-check=full \
		--suppressions=tests/guestmem/valgrind.supp $(B)/tests/test-guestmem $(SUITES)

faults: tests ## fail every call of a small run once, and many while it runs
	$(Q)VMM_BUILD=$(B) VMM_SRC=. FAULTS=all $(B)/tests/test-kvm faults

lost: tests ## kill the monitor ROUNDS=500 times while a guest writes: nothing that was flushed may be lost
	$(Q)VMM_BUILD=$(B) VMM_SRC=. LOST_ROUNDS=$$((($(or $(ROUNDS),500) + 2) / 3)) $(B)/tests/test-kvm lost

soak: all ## many monitors, starts, resets, devices and stuck consoles, or fewer in the lab; SOAK=--long takes hours
	$(Q)VMM_BUILD=$(B) scripts/soak --lab $(SOAK)

reproducible: all static library ## build again elsewhere: the same bytes
	$(Q)scripts/check-reproducible

prove: ## prove the core of the slice iterator and of the descriptor walk (docs/proof.md)
	$(Q)scripts/prove

demo: all $(TOOLS) ## boot the test kernel on a memory of many pieces, with a disk
	$(Q)VMM_BUILD=$(B) scripts/demo

lab-test: tests ## the KVM tests and real Linux on hardware-style KVM, inside an emulator; with SANITIZE only the former
	$(Q)VMM_BUILD=$(B) scripts/lab-test $(if $(SANITIZE),sanitized)

lab-test-full: tests ## the same, with every kernel on every layout
	$(Q)VMM_BUILD=$(B) scripts/lab-test all

fuzz: ## libFuzzer: TARGET=NAME (without one it lists them), TIME=seconds (60)
	$(Q)scripts/fuzz $(or $(TIME),60) "$(TARGET)"

fuzz-smoke: ## each fuzz target for 20 seconds, as many at once as there are processors
	$(Q)scripts/fuzz 20

bench-lab: tests ## real Linux beside other monitors, in the lab
	$(Q)VMM_BUILD=$(B) scripts/bench-lab

bench: all static $(BENCHES) ## speed and size, as ratios
	$(Q)VMM_BUILD=$(B) scripts/bench

lint: ## formatting, clang-tidy, shellcheck, structure
	$(Q)scripts/lint

clean: ## remove build/
	$(Q)rm -rf build

help: ## this list
	$(Q)awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile scripts/library.mk scripts/install.mk
	$(Q)printf '\n  DEBUG=1  SANITIZE=address,undefined|thread  CC=clang  V=1  CFLAGS=... LDFLAGS=...\n'

include scripts/library.mk
include scripts/install.mk

-include $(shell [ ! -d $(O) ] || find $(O) -name '*.d')
