/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The suites of build/tests/test-vmm: what of the monitor needs no KVM. */
#include "tests/vmm/suites.h"

#include <stddef.h>

#include "tests/runner.h"

/* One a line: clang-format would fill lines, and every new suite move the others. */
/* clang-format off */
suite_fn *const test_suites[] = {
	suite_parse,
	suite_layout,
	suite_fragment,
	suite_boot,
	suite_elf,
	suite_linux,
	suite_acpi,
	suite_cli,
	suite_check,
	suite_jail,
	suite_gdb,
	suite_tap, suite_stats,
	suite_config,
	suite_control,
	suite_control_doc,
	suite_map,
	suite_record,
	suite_jail_locked,
	NULL,
};
