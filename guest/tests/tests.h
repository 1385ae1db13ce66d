/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The tests, in the order they run: a name for the TAP line and the function test_NAME(). */
#ifndef GUEST_TESTS_H
#define GUEST_TESTS_H

/* clang-format off */
#define FOR_EACH_TEST(test)					\
	test("memory-map", memory_map)				\
	test("memory-straddle", memory_straddle)		\
	test("memory-holes", memory_holes)			\
	test("memory-rom", memory_rom)				\
	test("exceptions", exceptions)				\
	test("timer", timer)					\
	test("irq-devices", irq_devices)			\
	test("virtio-mmio", virtio_mmio)			\
	test("queue-reset", queue_reset)			\
	test("blk-identify", blk_identify)			\
	test("blk-errors", blk_errors)				\
	test("blk-data", blk_data)				\
	test("blk-span", blk_span)				\
	test("blk-header", blk_header)				\
	test("blk-status", blk_status)				\
	test("blk-desc", blk_desc)				\
	test("blk-avail", blk_avail)				\
	test("blk-used", blk_used)				\
	test("blk-indirect", blk_indirect)			\
	test("blk-rom", blk_rom)				\
	test("blk-readonly", blk_readonly)			\
	test("blk-zeroes", blk_zeroes)				\
	test("blk-queues", blk_queues)				\
	test("blk-records", blk_records)			\
	test("blk-final", blk_final)				\
	test("ext2", ext2)					\
	test("rng", rng)					\
	test("console-tx", console_tx)				\
	test("console-rx", console_rx)				\
	test("console-ports", console_ports)			\
	test("vsock-refused", vsock_refused)			\
	test("vsock-connect", vsock_connect)			\
	test("vsock-accept", vsock_accept)			\
	test("net-ping", net_ping)				\
	test("net-udp", net_udp)				\
	test("balloon", balloon)				\
	test("soak", soak)
/* clang-format on */

#define DECLARE_TEST(text, name) void test_##name(void);
FOR_EACH_TEST(DECLARE_TEST)

#endif
