/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The 16550A, register by register, as a driver sees it, with a real line behind it. */
#include <linux/serial_reg.h>
#include <string.h>
#include <unistd.h>

#include "devices/serial.h"
#include "tests/devices/line.h"
#include "tests/devices/suites.h"

#define LSR_IDLE (UART_LSR_THRE | UART_LSR_TEMT)
#define IIR_FIFO 0xc0

/* An interrupt line that counts its edges. */
struct counter {
	struct irq_line line;
	unsigned int edges; /* atomic */
};

static struct line line;
static struct counter irq;
static struct serial *serial;

static void count_edge(struct irq_line *at)
{
	__atomic_add_fetch(&((struct counter *)at)->edges, 1, __ATOMIC_RELEASE);
}

/* Edges since the last call. */
static unsigned int edges(void)
{
	return __atomic_exchange_n(&irq.edges, 0, __ATOMIC_ACQ_REL);
}

static uint8_t get(unsigned int reg)
{
	uint8_t value = 0xee;

	serial_bus_ops.read(serial, reg, &value, 1);
	return value;
}

static void put(unsigned int reg, uint8_t value)
{
	serial_bus_ops.write(serial, reg, &value, 1);
}

static void begin(void)
{
	irq = (struct counter){.line.pulse = count_edge};
	line_open(&line);
	serial = serial_new(line.chardev, &irq.line);
	ck_assert_ptr_nonnull(serial);
	line_run(&line);
}

static void finish(void)
{
	line_stop(&line);
	serial_free(serial);
	line_close(&line);
}

/* Wait until there is something to read. LSR is read over and over, which clears errors. */
static void await_data(void)
{
	for (unsigned int i = 0; i < 5000; i++) {
		if (get(UART_LSR) & UART_LSR_DR)
			return;
		usleep(1000);
	}
	ck_abort_msg("no data");
}

START_TEST(test_reset_state)
{
	ck_assert_uint_eq(get(UART_IER), 0);
	ck_assert_uint_eq(get(UART_IIR), UART_IIR_NO_INT);
	ck_assert_uint_eq(get(UART_LCR), 0);
	ck_assert_uint_eq(get(UART_MCR), 0);
	ck_assert_uint_eq(get(UART_LSR), LSR_IDLE);
	ck_assert_uint_eq(get(UART_MSR), UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD);
	ck_assert_uint_eq(get(UART_RX), 0);
	ck_assert_uint_eq(edges(), 0);
}
END_TEST

START_TEST(test_plain_registers)
{
	for (unsigned int value = 0; value < 256; value += 17) {
		put(UART_SCR, (uint8_t)value);
		ck_assert_uint_eq(get(UART_SCR), value);
		put(UART_LCR, (uint8_t)value & 0x7f);
		ck_assert_uint_eq(get(UART_LCR), value & 0x7f);
		put(UART_MCR, (uint8_t)value);
		ck_assert_uint_eq(get(UART_MCR), value & 0x1f);
	}
	put(UART_LSR, 0);
	ck_assert_uint_eq(get(UART_LSR), LSR_IDLE);
}
END_TEST

START_TEST(test_divisor)
{
	put(UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
	put(UART_DLL, 0x34);
	put(UART_DLM, 0x12);
	ck_assert_uint_eq(get(UART_DLL), 0x34);
	ck_assert_uint_eq(get(UART_DLM), 0x12);
	put(UART_LCR, UART_LCR_WLEN8);
	ck_assert_uint_eq(get(UART_IER), 0);
	put(UART_TX, 'a');
	/* Nothing of it went over the line. */
	line_expect(&line, "a", 1);
}
END_TEST

START_TEST(test_output)
{
	for (const char *c = "hello"; *c; c++) {
		ck_assert_uint_eq(get(UART_LSR), LSR_IDLE);
		put(UART_TX, (uint8_t)*c);
	}
	line_expect(&line, "hello", 5);
	ck_assert_uint_eq(edges(), 0);
}
END_TEST

/* Each time the transmitter empties is an edge; IIR shows it once. */
START_TEST(test_transmitter_interrupt)
{
	put(UART_IER, UART_IER_THRI);
	ck_assert_uint_eq(edges(), 1);
	ck_assert_uint_eq(get(UART_IIR), UART_IIR_THRI);
	ck_assert_uint_eq(get(UART_IIR), UART_IIR_NO_INT);
	for (unsigned int i = 0; i < 3; i++) {
		put(UART_TX, 'a');
		ck_assert_uint_eq(edges(), 1);
		ck_assert_uint_eq(get(UART_IIR), UART_IIR_THRI);
	}
	/* Without reading IIR in between, too: a driver may know without. */
	put(UART_TX, 'a');
	put(UART_TX, 'a');
	ck_assert_uint_eq(edges(), 2);
	put(UART_IER, 0);
	ck_assert_uint_eq(get(UART_IIR), UART_IIR_NO_INT);
	put(UART_TX, 'a');
	ck_assert_uint_eq(edges(), 0);
	put(UART_IER, UART_IER_THRI);
	ck_assert_uint_eq(edges(), 1);
}
END_TEST

START_TEST(test_input)
{
	line_send(&line, "abc", 3);
	for (const char *c = "abc"; *c; c++) {
		await_data();
		ck_assert_uint_eq(get(UART_RX), (uint8_t)*c);
	}
	ck_assert_uint_eq(get(UART_LSR), LSR_IDLE);
	ck_assert_uint_eq(edges(), 0);
}
END_TEST

START_TEST(test_receiver_interrupt)
{
	put(UART_IER, UART_IER_RDI);
	ck_assert_uint_eq(edges(), 0);
	for (unsigned int i = 0; i < 3; i++) {
		line_send(&line, "a", 1);
		line_await(&irq.edges, 1);
		ck_assert_uint_eq(edges(), 1);
		ck_assert_uint_eq(get(UART_IIR), UART_IIR_RDI);
		ck_assert_uint_eq(get(UART_IIR), UART_IIR_RDI);
		ck_assert_uint_eq(get(UART_RX), 'a');
		ck_assert_uint_eq(get(UART_IIR), UART_IIR_NO_INT);
	}
	/* Enabled while there is data: an edge as well. */
	put(UART_IER, 0);
	line_send(&line, "a", 1);
	await_data();
	ck_assert_uint_eq(edges(), 0);
	put(UART_IER, UART_IER_RDI);
	ck_assert_uint_eq(edges(), 1);
}
END_TEST

/* Below the trigger level it is the time-out that speaks, from it on the level. */
START_TEST(test_trigger_level)
{
	static const uint8_t levels[] = {1, 4, 8, 14};
	unsigned int got = 0;

	put(UART_FCR, (uint8_t)(UART_FCR_ENABLE_FIFO | _i << 6));
	put(UART_IER, UART_IER_RDI);
	for (unsigned int sent = 1; sent <= 16; sent++) {
		uint8_t iir;

		line_send(&line, "z", 1);
		line_await(&irq.edges, 1);
		edges();
		iir = get(UART_IIR);
		ck_assert_uint_eq(iir, IIR_FIFO | (sent >= levels[_i] ? UART_IIR_RDI
								      : UART_IIR_RX_TIMEOUT));
	}
	while (get(UART_LSR) & UART_LSR_DR) {
		ck_assert_uint_eq(get(UART_RX), 'z');
		got++;
	}
	ck_assert_uint_eq(got, 16);
	ck_assert_uint_eq(get(UART_IIR), IIR_FIFO | UART_IIR_NO_INT);
}
END_TEST

/* What does not fit waits at its source; nothing is lost and there is no overrun. */
START_TEST(test_flow_control)
{
	char text[200];

	for (unsigned int i = 0; i < sizeof(text); i++)
		text[i] = (char)i;
	put(UART_FCR, UART_FCR_ENABLE_FIFO);
	line_send(&line, text, sizeof(text));
	usleep(10000);
	for (unsigned int i = 0; i < sizeof(text); i++) {
		await_data();
		ck_assert_uint_eq(get(UART_LSR) & UART_LSR_OE, 0);
		ck_assert_uint_eq(get(UART_RX), i);
	}
}
END_TEST

START_TEST(test_fifo_control)
{
	ck_assert_uint_eq(get(UART_IIR) & IIR_FIFO, 0);
	put(UART_FCR, UART_FCR_ENABLE_FIFO);
	ck_assert_uint_eq(get(UART_IIR) & IIR_FIFO, IIR_FIFO);
	line_send(&line, "abc", 3);
	await_data();
	put(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	ck_assert_uint_eq(get(UART_LSR) & UART_LSR_DR, 0);
	line_send(&line, "d", 1);
	await_data();
	/* Off: what they held is gone. */
	put(UART_FCR, 0);
	ck_assert_uint_eq(get(UART_IIR) & IIR_FIFO, 0);
	ck_assert_uint_eq(get(UART_LSR) & UART_LSR_DR, 0);
}
END_TEST

/* Receiver before transmitter; what it hid is an edge of its own when it is uncovered. */
START_TEST(test_priorities)
{
	line_send(&line, "a", 1);
	await_data();
	put(UART_IER, UART_IER_RDI | UART_IER_THRI);
	ck_assert_uint_ge(edges(), 1);
	ck_assert_uint_eq(get(UART_IIR), UART_IIR_RDI);
	ck_assert_uint_eq(edges(), 0);
	ck_assert_uint_eq(get(UART_RX), 'a');
	ck_assert_uint_eq(edges(), 1);
	ck_assert_uint_eq(get(UART_IIR), UART_IIR_THRI);
	ck_assert_uint_eq(get(UART_IIR), UART_IIR_NO_INT);
}
END_TEST

START_TEST(test_loopback_data)
{
	put(UART_MCR, UART_MCR_LOOP);
	line_send(&line, "x", 1);
	usleep(10000);
	ck_assert_uint_eq(get(UART_LSR), LSR_IDLE);
	put(UART_TX, 'l');
	ck_assert_uint_eq(get(UART_LSR), LSR_IDLE | UART_LSR_DR);
	ck_assert_uint_eq(get(UART_RX), 'l');
	/* Two bytes where one fits: an overrun, until LSR is read. */
	put(UART_IER, UART_IER_RLSI);
	put(UART_TX, '1');
	put(UART_TX, '2');
	ck_assert_uint_eq(edges(), 1);
	ck_assert_uint_eq(get(UART_IIR), UART_IIR_RLSI);
	ck_assert_uint_eq(get(UART_LSR), LSR_IDLE | UART_LSR_DR | UART_LSR_OE);
	ck_assert_uint_eq(get(UART_IIR), UART_IIR_NO_INT);
	ck_assert_uint_eq(get(UART_LSR), LSR_IDLE | UART_LSR_DR);
	ck_assert_uint_eq(get(UART_RX), '1');
	/* Out of loopback the line is there again, with what waited. */
	put(UART_MCR, 0);
	await_data();
	ck_assert_uint_eq(get(UART_RX), 'x');
	put(UART_TX, 'o');
	line_expect(&line, "o", 1);
}
END_TEST

START_TEST(test_modem_status)
{
	static const struct {
		uint8_t out, in, delta;
	} wires[] = {
		{UART_MCR_RTS, UART_MSR_CTS, UART_MSR_DCTS},
		{UART_MCR_DTR, UART_MSR_DSR, UART_MSR_DDSR},
		{UART_MCR_OUT2, UART_MSR_DCD, UART_MSR_DDCD},
	};

	put(UART_MCR, UART_MCR_LOOP);
	get(UART_MSR);
	put(UART_IER, UART_IER_MSI);
	for (unsigned int i = 0; i < 3; i++) {
		edges();
		put(UART_MCR, UART_MCR_LOOP | wires[i].out);
		ck_assert_uint_eq(edges(), 1);
		ck_assert_uint_eq(get(UART_IIR), UART_IIR_MSI);
		ck_assert_uint_eq(get(UART_MSR), wires[i].in | wires[i].delta);
		ck_assert_uint_eq(get(UART_IIR), UART_IIR_NO_INT);
		ck_assert_uint_eq(get(UART_MSR), wires[i].in);
		put(UART_MCR, UART_MCR_LOOP);
		ck_assert_uint_eq(get(UART_MSR), wires[i].delta);
	}
	/* The ring indicator counts when it ends. */
	put(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT1);
	ck_assert_uint_eq(get(UART_MSR), UART_MSR_RI);
	put(UART_MCR, UART_MCR_LOOP);
	ck_assert_uint_eq(get(UART_MSR), UART_MSR_TERI);
}
END_TEST

/* A slow reader: THRE goes away and comes back, with an interrupt; no byte is lost meanwhile. */
START_TEST(test_slow_reader)
{
	unsigned int sent = 0;

	put(UART_IER, UART_IER_THRI);
	get(UART_IIR);
	while (get(UART_LSR) & UART_LSR_THRE) {
		put(UART_TX, (uint8_t)sent++);
		get(UART_IIR);
	}
	edges();
	for (unsigned int i = 0; i < sent; i++) {
		char byte = (char)i;

		line_expect(&line, &byte, 1);
	}
	line_await(&irq.edges, 1);
	ck_assert_uint_eq(get(UART_IIR), UART_IIR_THRI);
	ck_assert_uint_eq(get(UART_LSR), LSR_IDLE);
}
END_TEST

START_TEST(test_nobody_listens)
{
	close(line.peer);
	line.peer = -1;
	for (unsigned int i = 0; i < 100; i++) {
		put(UART_TX, 'a');
		ck_assert_uint_eq(get(UART_LSR) & LSR_IDLE, LSR_IDLE);
	}
}
END_TEST

Suite *serial_suite(void)
{
	Suite *suite = suite_create("serial");
	TCase *tcase = tcase_create("serial");

	tcase_set_timeout(tcase, 30);
	tcase_add_checked_fixture(tcase, begin, finish);
	tcase_add_test(tcase, test_reset_state);
	tcase_add_test(tcase, test_plain_registers);
	tcase_add_test(tcase, test_divisor);
	tcase_add_test(tcase, test_output);
	tcase_add_test(tcase, test_transmitter_interrupt);
	tcase_add_test(tcase, test_input);
	tcase_add_test(tcase, test_receiver_interrupt);
	tcase_add_loop_test(tcase, test_trigger_level, 0, 4);
	tcase_add_test(tcase, test_flow_control);
	tcase_add_test(tcase, test_fifo_control);
	tcase_add_test(tcase, test_priorities);
	tcase_add_test(tcase, test_loopback_data);
	tcase_add_test(tcase, test_modem_status);
	tcase_add_test(tcase, test_slow_reader);
	tcase_add_test(tcase, test_nobody_listens);
	suite_add_tcase(suite, tcase);
	return suite;
}
