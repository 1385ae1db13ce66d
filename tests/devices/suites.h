/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The suites of tests/devices; each is defined in the test_ file of its name. */
#ifndef TESTS_DEVICES_SUITES_H
#define TESTS_DEVICES_SUITES_H

#include "tests/runner.h"

Suite *bus_suite(void);
Suite *loop_suite(void);
Suite *chardev_suite(void);
Suite *chardev_link_suite(void);
Suite *serial_suite(void);
Suite *platform_suite(void);
Suite *virtqueue_suite(void);
Suite *packed_suite(void);
Suite *completion_suite(void);
Suite *wakeup_suite(void);
Suite *mmio_suite(void);
Suite *pci_suite(void);
Suite *virtio_pci_suite(void);
Suite *config_suite(void);
Suite *blk_suite(void);
Suite *blk_engine_suite(void);
Suite *blk_features_suite(void);
Suite *blk_flight_suite(void);
Suite *blk_host_suite(void);
Suite *histogram_suite(void);
Suite *meter_suite(void);
Suite *blk_now_suite(void);
Suite *rng_suite(void);
Suite *console_suite(void);
Suite *console_ports_suite(void);
Suite *page_set_suite(void);
Suite *balloon_suite(void);
Suite *balloon_memory_suite(void);
Suite *balloon_tells_suite(void);
Suite *vsock_suite(void);
Suite *vsock_limits_suite(void);
Suite *net_user_suite(void);
Suite *net_user_backend_suite(void);
Suite *net_user_device_suite(void);
Suite *net_frames_suite(void);
Suite *net_control_suite(void);
Suite *net_tap_suite(void);
Suite *net_tap_open_suite(void);
Suite *hostile_suite(void);
Suite *hostile_stress_suite(void);
Suite *bugs_suite(void);
Suite *invariance_suite(void);
Suite *options_suite(void);
Suite *report_suite(void);

#endif
