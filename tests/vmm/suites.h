/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* One function for each file of tests/vmm/. */
#ifndef TESTS_VMM_SUITES_H
#define TESTS_VMM_SUITES_H

#include <check.h>

Suite *suite_parse(void);
Suite *suite_gdb(void);
Suite *suite_tap(void);
Suite *suite_stats(void);
Suite *suite_layout(void);
Suite *suite_jail(void);
Suite *suite_jail_locked(void);
Suite *suite_fragment(void);
Suite *suite_boot(void);
Suite *suite_elf(void);
Suite *suite_linux(void);
Suite *suite_acpi(void);
Suite *suite_cli(void);
Suite *suite_check(void);
Suite *suite_config(void);
Suite *suite_control(void);
Suite *suite_control_doc(void);
Suite *suite_map(void);
Suite *suite_record(void);

#endif
