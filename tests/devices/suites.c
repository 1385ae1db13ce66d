/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The table of suites of test-devices. */
#include "tests/devices/suites.h"

/* clang-format off */
suite_fn *const test_suites[] = {
	bus_suite,
	loop_suite,
	chardev_suite,
	chardev_link_suite,
	serial_suite,
	platform_suite,
	virtqueue_suite,
	packed_suite,
	completion_suite,
	wakeup_suite,
	mmio_suite,
	config_suite,
	blk_suite,
	rng_suite,
	console_suite,
	console_ports_suite,
	page_set_suite,
	balloon_suite,
	balloon_memory_suite,
	balloon_tells_suite,
	vsock_suite,
	vsock_limits_suite,
	net_user_suite,
	net_user_backend_suite,
	net_user_device_suite,
	hostile_suite,
	hostile_stress_suite,
	bugs_suite,
	invariance_suite,
	options_suite,
	report_suite,
	NULL,
};
