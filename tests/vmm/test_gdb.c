/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* gdb's remote protocol as bytes in and bytes out, without a machine behind it; where it is spoken. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/vmm/gdb-fake.h"
#include "tests/vmm/suites.h"
#include "vmm/on-crash.h"

static struct gdb_fake fake;
static struct gdb_session session;
static char said[300000]; /* what came back since take() */

static void setup(void)
{
	const struct gdb_stop stop = {.cpu = 0, .signal = GDB_SIGTRAP};

	memset(&fake, 0, sizeof(fake));
	fake.session = &session;
	for (size_t i = 0; i < sizeof(fake.memory); i++)
		fake.memory[i] = (uint8_t)(i * 7);
	for (unsigned int i = 0; i < GDB_FAKE_CPUS; i++) {
		fake.registers[i].regs.rax = 0x1122334455667788 + i;
		fake.registers[i].regs.rip = 0x1000 + i;
	}
	gdb_session_begin(&session, &gdb_fake_ops, &fake, &stop);
}

static void teardown(void)
{
	gdb_session_end(&session);
}

/* All that is to be sent, as a string. */
static const char *take(void)
{
	size_t used = 0, len;
	const char *bytes;

	while ((bytes = gdb_session_output(&session, &len), len) && used + len < sizeof(said)) {
		memcpy(said + used, bytes, len);
		used += len;
		gdb_session_sent(&session, len);
	}
	said[used] = '\0';
	return said;
}

static void send_bytes(const char *bytes, size_t len)
{
	ck_assert_uint_eq(gdb_session_receive(&session, (const uint8_t *)bytes, len), len);
}

static size_t frame(const char *data, size_t len, char *out)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + (uint8_t)data[i]);
	out[0] = '$';
	memcpy(out + 1, data, len);
	return 1 + len + (size_t)sprintf(out + 1 + len, "#%02x", sum);
}

static void send_packet(const char *data)
{
	char bytes[3 * GDB_PACKET_MAX];

	send_bytes(bytes, frame(data, strlen(data), bytes));
}

/* "+$ANSWER#.." is what comes. */
static void check(const char *packet, const char *answer)
{
	char expected[3 * GDB_PACKET_MAX] = "+";

	send_packet(packet);
	frame(answer, strlen(answer), expected + 1);
	ck_assert_str_eq(take(), expected);
}

/* --- the frame ---------------------------------------------------------------------------------- */

/* Byte by byte, with garbage between, it is the same. */
START_TEST(test_pieces)
{
	static const char bytes[] = "zzz#+$m10,2#2c";

	for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
		ck_assert_str_eq(take(), "");
		send_bytes(bytes + i, 1);
	}
	ck_assert_str_eq(take(), "+$7077#d5");
}
END_TEST

START_TEST(test_checksum)
{
	send_bytes("$m10,2#2d", 9);
	ck_assert_str_eq(take(), "-");
	send_bytes("$m10,2#xx", 9);
	ck_assert_str_eq(take(), "-");
	/* It begins again in the middle. */
	send_bytes("$m10,$m10,2#2c", 14);
	ck_assert_str_eq(take(), "+$7077#d5");
	/* It did not arrive: once more. */
	send_bytes("-", 1);
	ck_assert_str_eq(take(), "$7077#d5");
}
END_TEST

START_TEST(test_no_acks)
{
	check("QStartNoAckMode", "OK");
	send_bytes("$m10,2#2c-+", 11);
	ck_assert_str_eq(take(), "$7077#d5");
}
END_TEST

/* More than a packet can be is refused; the next is a packet again. */
START_TEST(test_too_long)
{
	char data[GDB_PACKET_MAX + 2], bytes[GDB_PACKET_MAX + 10];

	memset(data, 'm', sizeof(data));
	send_bytes(bytes, frame(data, sizeof(data) - 1, bytes));
	ck_assert_str_eq(take(), "+$E5a#db");
	send_bytes(bytes, frame(data, GDB_PACKET_MAX, bytes));
	ck_assert_str_eq(take(), "+$E16#ac");
	check("m10,2", "7077");
}
END_TEST

/* Who does not read is not read from, and nothing is lost when it does. */
START_TEST(test_never_reads)
{
	static char bytes[200 * 16];
	size_t len = 0, taken, count = 0;

	for (unsigned int i = 0; i < 200; i++)
		len += frame("m0,400", 6, bytes + len);
	taken = gdb_session_receive(&session, (const uint8_t *)bytes, len);
	ck_assert_uint_lt(taken, len);
	ck_assert_uint_eq(gdb_session_receive(&session, (const uint8_t *)bytes + taken, len - taken),
			  0);
	do {
		for (const char *at = take(); *at; at++)
			count += *at == '$';
		taken += gdb_session_receive(&session, (const uint8_t *)bytes + taken, len - taken);
	} while (taken < len);
	for (const char *at = take(); *at; at++)
		count += *at == '$';
	ck_assert_uint_eq(count, 200);
}
END_TEST

START_TEST(test_unknown)
{
	check("vMustReplyEmpty", "");
	check("qSymbol::", "");
	check("qCRC:0,1", "");
	check("", "");
	check("!", "");
}
END_TEST

/* --- registers and memory ------------------------------------------------------------------------ */

START_TEST(test_registers)
{
	size_t bytes = 0;

	for (unsigned int i = 0; i < gdb_register_count(); i++)
		bytes += gdb_register_size(i);
	ck_assert_uint_eq(gdb_register_size(gdb_register_count()), 0);
	send_packet("g");
	ck_assert_uint_eq(strlen(take()), 1 + 1 + 2 * bytes + 3);
	ck_assert_mem_eq(said + 2, "8877665544332211", 16);
	check("p0", "8877665544332211");
	check("p10", "0010000000000000");
	check("P10=3412000000000000", "OK");
	ck_assert_uint_eq(fake.registers[0].regs.rip, 0x1234);
	check("P10=34", "E16");
	check("P10", "E16");
	check("p1000", "E16");
	check("p", "E16");
	check("P10=341200000000000000", "E16");
	ck_assert_uint_eq(fake.registers[0].regs.rip, 0x1234);
	check("Hg2", "OK");
	check("p10", "0110000000000000");
	check("Hg4", "E16");
	check("Hgx", "E16");
	check("H", "E16");
	check("G0102030405060708", "OK");
	ck_assert_uint_eq(fake.registers[1].regs.rax, 0x0807060504030201);
	check("G01020", "E16");
}
END_TEST

/* What is written and read back is the same, register by register. */
START_TEST(test_register_round_trip)
{
	for (unsigned int i = 0; i < gdb_register_count(); i++) {
		struct gdb_registers registers = {.none = 0};
		uint8_t in[GDB_REGISTER_MAX], out[GDB_REGISTER_MAX], again[GDB_REGISTER_MAX];

		for (size_t j = 0; j < sizeof(in); j++)
			in[j] = (uint8_t)(i + j + 1);
		gdb_register_set(&registers, i, in);
		gdb_register_get(&registers, i, out);
		gdb_register_set(&registers, i, out);
		gdb_register_get(&registers, i, again);
		ck_assert_mem_eq(out, again, gdb_register_size(i));
		ck_assert_uint_eq(out[0], in[0]);
	}
}
END_TEST

START_TEST(test_fpu_tags)
{
	struct gdb_registers registers = {.fpu.ftwx = 0x81};

	gdb_registers_unpack(&registers);
	ck_assert_uint_eq(registers.ftag, 0x3ffc);
	registers.fpu.ftwx = 0;
	gdb_registers_pack(&registers);
	ck_assert_uint_eq(registers.fpu.ftwx, 0x81);
}
END_TEST

START_TEST(test_memory)
{
	char bytes[32];

	check("m0,4", "00070e15");
	check("mfffe,4", "f2f9");
	check("m10000,1", "E0e");
	check("mffffffffffffffff,ffffffffffffffff", "E0e");
	check("m0,0", "");
	check("m0", "E16");
	check("m10000000000000000,1", "E16");
	check("M20,2:abcd", "OK");
	ck_assert_uint_eq(fake.memory[0x20], 0xab);
	check("M20,2:ab", "E16");
	check("M20,2:abcdef", "E16");
	check("Mffff,2:abcd", "E0e");
	/* Escaped bytes: 0x23, 0x7d; and a zero. */
	send_bytes(bytes, frame("X20,4:}\x03}]A\0", 12, bytes));
	frame("OK", 2, bytes + 1);
	bytes[0] = '+';
	ck_assert_str_eq(take(), bytes);
	ck_assert_mem_eq(fake.memory + 0x20, "\x23\x7d\x41\x00", 4);
	check("X20,0:", "OK");
	check("X20,4:abc", "E16");
}
END_TEST

START_TEST(test_physical)
{
	check("qqemu.PhyMemMode", "0");
	check("Qqemu.PhyMemMode:1", "OK");
	check("qqemu.PhyMemMode", "1");
	check("m0,1", "00");
	ck_assert(fake.physical);
	check("Qqemu.PhyMemMode:2", "E16");
	check("Qqemu.PhyMemMode:0", "OK");
	check("m0,1", "00");
	ck_assert(!fake.physical);
}
END_TEST

START_TEST(test_breakpoints)
{
	check("Z0,1000,1", "OK");
	check("Z1,1000,1", "OK");
	check("Z2,1000,8", "OK");
	check("Z4,1000,8", "OK");
	check("Z3,1000,8", "E01");
	check("z4,1000,8", "OK");
	ck_assert_uint_eq(fake.breaks, 3);
	check("Z5,1000,1", "E16");
	check("Z0,1000", "E16");
	check("Z0,1000,1;X1,2", "E16");
	check("Z", "E16");
}
END_TEST

/* --- running ------------------------------------------------------------------------------------ */

START_TEST(test_continue)
{
	const struct gdb_stop hit = {.cpu = 2, .signal = GDB_SIGTRAP, .reason = "hwbreak"};
	const struct gdb_stop watch = {
		.cpu = 0, .signal = GDB_SIGTRAP, .reason = "watch", .addr = 0x1234};

	check("?", "T05thread:1;");
	send_packet("c");
	ck_assert_str_eq(take(), "+");
	ck_assert_uint_eq(fake.resumes, 1);
	for (unsigned int i = 0; i < GDB_FAKE_CPUS; i++)
		ck_assert_int_eq(fake.actions[i], GDB_CONTINUE);
	/* While it runs, nothing is answered but Ctrl-C. */
	send_packet("g");
	ck_assert_str_eq(take(), "+");
	send_bytes("\x03", 1);
	ck_assert_uint_eq(fake.interrupts, 1);
	ck_assert_str_eq(take(), "$T02thread:2;#d5");
	send_bytes("\x03", 1);
	ck_assert_uint_eq(fake.interrupts, 1);
	/* The reason, to who knows it. */
	send_packet("c");
	gdb_session_stopped(&session, &hit);
	ck_assert_str_eq(take(), "+$T05thread:3;#d9");
	send_packet("qSupported:multiprocess+;swbreak+;hwbreak+");
	ck_assert_ptr_nonnull(strstr(take(), "PacketSize=1000;"));
	send_packet("c");
	gdb_session_stopped(&session, &hit);
	ck_assert_ptr_nonnull(strstr(take(), "T05thread:3;hwbreak:;"));
	send_packet("c");
	gdb_session_stopped(&session, &watch);
	ck_assert_ptr_nonnull(strstr(take(), "T05thread:1;watch:1234;"));
	check("c1000", "E16");
}
END_TEST

START_TEST(test_each)
{
	static const struct {
		const char *packet;
		enum gdb_action actions[GDB_FAKE_CPUS];
	} cases[] = {
		{"vCont;c", {GDB_CONTINUE, GDB_CONTINUE, GDB_CONTINUE}},
		{"vCont;s:2;c", {GDB_CONTINUE, GDB_STEP, GDB_CONTINUE}},
		{"vCont;s:2", {GDB_HOLD, GDB_STEP, GDB_HOLD}},
		{"vCont;S05:1;C05:-1", {GDB_STEP, GDB_CONTINUE, GDB_CONTINUE}},
		{"s", {GDB_STEP, GDB_HOLD, GDB_HOLD}},
	};
	static const char *const bad[] = {
		"vCont;", "vCont;t", "vCont;c:9", "vCont;C", "vCont;s:1x", "vCont;c:", "vCont",
	};
	const struct gdb_stop stop = {.cpu = 0, .signal = GDB_SIGTRAP};

	check("vCont?", "vCont;c;C;s;S");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		send_packet(cases[i].packet);
		ck_assert_str_eq(take(), "+");
		ck_assert_mem_eq(fake.actions, cases[i].actions, sizeof(fake.actions));
		gdb_session_stopped(&session, &stop);
		take();
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check(bad[i], "E16");
	ck_assert_uint_eq(fake.resumes, 5);
}
END_TEST

START_TEST(test_end)
{
	send_packet("c");
	gdb_session_exited(&session, 42);
	ck_assert_str_eq(take(), "+$W2a#ea");
	/* There is nothing left to ask. */
	send_packet("g");
	ck_assert_str_eq(take(), "+");
}
END_TEST

START_TEST(test_leave)
{
	check("D", "OK");
	ck_assert(session.closing);
	ck_assert_uint_eq(fake.kills, 0);
	teardown();
	setup();
	send_packet("k");
	ck_assert_uint_eq(fake.kills, 1);
	teardown();
	setup();
	check("vKill;1", "OK");
	ck_assert_uint_eq(fake.kills, 1);
}
END_TEST

/* --- questions ---------------------------------------------------------------------------------- */

START_TEST(test_threads)
{
	check("qfThreadInfo", "m1,2,3");
	check("qsThreadInfo", "l");
	check("qC", "QC1");
	check("T3", "OK");
	check("T4", "E16");
	check("T-1", "E16");
	/* "vCPU 1, fake" */
	check("qThreadExtraInfo,2", "7643505520312c2066616b65");
	check("qThreadExtraInfo,9", "E16");
	check("qAttached", "1");
}
END_TEST

/* The description in pieces is the whole, and has each register once. */
START_TEST(test_features)
{
	char *xml = gdb_register_xml(), *whole = calloc(1, 100000), packet[64];
	size_t at = 0, regs = 0;

	ck_assert_ptr_nonnull(xml);
	ck_assert_ptr_nonnull(whole);
	do {
		const char *end;

		snprintf(packet, sizeof(packet), "qXfer:features:read:target.xml:%zx,200", at);
		send_packet(packet);
		end = strrchr(take(), '#');
		ck_assert_ptr_nonnull(end);
		memcpy(whole + at, said + 3, (size_t)(end - said) - 3);
		at += (size_t)(end - said) - 3;
	} while (said[2] == 'm');
	ck_assert_int_eq(said[2], 'l');
	ck_assert_str_eq(whole, xml);
	for (const char *reg = xml; (reg = strstr(reg, "<reg ")); reg++)
		regs++;
	ck_assert_uint_eq(regs, gdb_register_count());
	check("qXfer:features:read:target.xml:fffff,10", "E00");
	check("qXfer:features:read:target.xml:0", "E00");
	check("qXfer:features:read:other.xml:0,10", "");
	free(whole);
	free(xml);
}
END_TEST

START_TEST(test_monitor)
{
	size_t len = 0;

	send_packet("qRcmd,6869"); /* "hi" */
	ck_assert_str_eq(take(), "+$O6869#2c$OK#9a");
	check("qRcmd,6e6f6e65", ""); /* "none" */
	check("qRcmd,6", "E16");
	check("qRcmd,zz", "E16");
	/* Longer than the buffers: in pieces, as they are sent; what comes meanwhile waits. */
	send_packet("qRcmd,6c6f6e67");
	ck_assert_uint_eq(gdb_session_receive(&session, (const uint8_t *)"$qC#b4", 6), 0);
	take();
	for (const char *at = said; *at; at++) {
		if (at[0] == '7' && at[1] == '8') {
			len++;
			at++;
		}
	}
	ck_assert_uint_eq(len, 100000);
	ck_assert_ptr_nonnull(strstr(said, "$OK#9a"));
	check("qC", "QC1");
}
END_TEST

/* --- where it listens ------------------------------------------------------------------------------ */

static const struct {
	struct options options;
	const char *option;
} asked[] = {
	{{.gdb = true}, "--gdb"},
	{{.gdb = true, .gdb_spec = "1234,run"}, "--gdb"},
	{{.on_crash = "gdb", .gdb = true, .gdb_spec = "run"}, "--gdb"},
	/* Nobody said --gdb. */
	{{.on_crash = "gdb"}, "--on-crash gdb"},
};

START_TEST(test_port_in_use)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(1234),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct on_crash crash = {.core.fd = -1};
	struct machine machine = {.loop = loop_new()};
	struct report report = {0};
	char want[256];

	/* If it fails somebody else has it. */
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		ck_assert_int_eq(listen(fd, 1), 0);
	ck_assert_int_eq(on_crash_open(&crash, &asked[_i].options, &machine, &report), -1);
	snprintf(want, sizeof(want),
		 "%s: 127.0.0.1 port 1234: Address already in use; --gdb=PORT or --gdb=PATH is "
		 "another place",
		 asked[_i].option);
	ck_assert_str_eq(report.text, want);
	ck_assert_int_eq(report.status, REPORT_USER);
	on_crash_close(&crash, 0);
	loop_free(machine.loop);
	close(fd);
}
END_TEST

Suite *suite_gdb(void)
{
	Suite *suite = suite_create("gdb");
	TCase *tc = tcase_create("gdb");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_port_in_use, 0, sizeof(asked) / sizeof(asked[0]));
	tcase_add_test(tc, test_pieces);
	tcase_add_test(tc, test_checksum);
	tcase_add_test(tc, test_no_acks);
	tcase_add_test(tc, test_too_long);
	tcase_add_test(tc, test_never_reads);
	tcase_add_test(tc, test_unknown);
	tcase_add_test(tc, test_registers);
	tcase_add_test(tc, test_register_round_trip);
	tcase_add_test(tc, test_fpu_tags);
	tcase_add_test(tc, test_memory);
	tcase_add_test(tc, test_physical);
	tcase_add_test(tc, test_breakpoints);
	tcase_add_test(tc, test_continue);
	tcase_add_test(tc, test_each);
	tcase_add_test(tc, test_end);
	tcase_add_test(tc, test_leave);
	tcase_add_test(tc, test_threads);
	tcase_add_test(tc, test_features);
	tcase_add_test(tc, test_monitor);
	suite_add_tcase(suite, tc);
	return suite;
}
