/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The suites of tests/kvm; each is defined in the test_ file of its name. */
#ifndef TESTS_KVM_SUITES_H
#define TESTS_KVM_SUITES_H

#include "tests/runner.h"

Suite *control_suite(void);
Suite *faults_suite(void);
Suite *gdb_suite(void);
Suite *guests_suite(void);
Suite *host_suite(void);
Suite *jail_suite(void);
Suite *kernel_suite(void);
Suite *lost_suite(void);
Suite *map_suite(void);
Suite *network_suite(void);
Suite *pause_suite(void);
Suite *power_suite(void);
Suite *verdict_suite(void);
Suite *short_suite(void);
Suite *stats_suite(void);
Suite *terminal_suite(void);

#endif
