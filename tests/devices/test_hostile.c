/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Drivers that break the rules: every case of hostile-*.c, on every device it concerns, on both
 * ring formats. What cannot be answered through the ring stops the device until reset; what can is
 * answered with an error. Either way nothing but the driver's own buffers has changed, the device
 * works afterwards, and a thousand times cost no more memory than once.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/devices/hostile.h"
#include "tests/devices/suites.h"

/* Memory that no case gives to the device. */
#define SENTINEL      (BUFFERS + 0x80000)
#define SENTINEL_SIZE 0x4000

/* Repetitions that must not cost memory, and how often that may be looked at again. */
#define REPETITIONS 12
#define LOOKS       6

static const struct hostile_case *const tables[] = {
	hostile_chains,  hostile_rings,   hostile_registers, hostile_disk,
	hostile_streams, hostile_console, hostile_net,       hostile_balloon,
};

/* A case, a device and a ring format. */
struct combination {
	const struct hostile_case *hostile;
	const struct subject *subject;
	bool packed;
};

static struct combination *combinations;
static unsigned int combination_count, case_count;
/* By combination; shared with the processes the tests run in. */
static bool *passed;

static bool listed(const struct hostile_case *c)
{
	for (unsigned int i = 0; i < combination_count; i++) {
		if (combinations[i].hostile == c)
			return true;
	}
	return false;
}

static void add_combination(const struct hostile_case *c, const struct subject *subject, bool packed)
{
	if ((c->device && strcmp(c->device, subject->name) != 0) ||
	    (c->ring && (c->ring == PACKED_RING) != packed))
		return;
	combinations = realloc(combinations, (combination_count + 1) * sizeof(*combinations));
	/* No test yet that could fail. */
	if (!combinations)
		abort();
	case_count += !listed(c);
	combinations[combination_count++] = (struct combination){c, subject, packed};
}

static void combine(void)
{
	for (unsigned int k = 0; subjects[k]; k++) {
		if (!subject_available(subjects[k]))
			continue;
		for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
			for (const struct hostile_case *c = tables[i]; c->name; c++) {
				add_combination(c, subjects[k], false);
				add_combination(c, subjects[k], true);
			}
		}
	}
}

/* --- what the device says -------------------------------------------------------------------- */

static int captured = -1, saved_stderr = -1;

static void capture(void)
{
	captured = memfd_create("stderr", MFD_CLOEXEC);
	saved_stderr = dup(STDERR_FILENO);
	ck_assert_int_ge(captured, 0);
	ck_assert_int_ge(dup2(captured, STDERR_FILENO), 0);
}

/* In @text what was said since the last call; returns its lines. */
static unsigned int said(char *text, size_t size)
{
	ssize_t len = pread(captured, text, size - 1, 0);
	unsigned int lines = 0;

	ck_assert_int_ge(len, 0);
	text[len] = '\0';
	ck_assert_int_eq(ftruncate(captured, 0), 0);
	ck_assert_int_eq(lseek(captured, 0, SEEK_SET), 0);
	for (const char *at = text; (at = strchr(at, '\n')); at++)
		lines++;
	return lines;
}

static void release(void)
{
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(captured);
}

/* --- one case -------------------------------------------------------------------------------- */

/* Broken means silent: what is offered now stays where it is. */
static void check_silent(struct hostile *t)
{
	uint8_t before[2][256], after[2][256];

	for (unsigned int i = 0; i < 2; i++) {
		gm_addr ring = i ? t->q->used : t->q->desc;

		mem_read(t->h, ring, before[i], sizeof(before[i]));
		driver_kick(t->h, t->q);
		virtio_lock(t->h->dev);
		virtio_unlock(t->h->dev);
		mem_read(t->h, ring, after[i], sizeof(after[i]));
	}
	ck_assert_mem_eq(before, after, sizeof(before));
}

static void check_answer(struct hostile *t, const struct hostile_case *c, bool first)
{
	bool broken = c->answer == BREAKS || c->answer == REFUSES;
	char text[1024];
	unsigned int lines;

	if (broken)
		hostile_await_broken(t);
	else if (c->answer == GOES_ON)
		ck_assert(!needs_reset(t->h));
	/* Later ones are rate-limited. */
	lines = said(text, sizeof(text));
	if (first && c->answer != CHECKED)
		ck_assert_msg(lines == broken, "%u lines: '%s'", lines, text);
	if (first && c->why)
		ck_assert_msg(strstr(text, c->why) != NULL, "'%s' instead of '%s'", text, c->why);
	if (c->answer == BREAKS) {
		ck_assert(reg_read(t->h, VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG);
		check_silent(t);
	}
	if (c->answer == REFUSES) {
		ck_assert(!(reg_read(t->h, VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG));
		/* A driver that goes on regardless gets nothing. */
		reg_write(t->h, VIRTIO_MMIO_STATUS, 0xf);
		driver_kick(t->h, t->q);
	}
	if (c->answer == GOES_ON)
		subject_serves(&t->s);
}

static unsigned int descs_of(const struct hostile_desc *descs)
{
	unsigned int count = 1;

	while (count < 3 && (descs[count - 1].flags & NEXT))
		count++;
	return count;
}

static void act(struct hostile *t, const struct hostile_case *c)
{
	if (c->act) {
		c->act(t);
		return;
	}
	for (unsigned int i = 0; i < 3; i++) {
		const struct hostile_desc *d = &c->table[i];

		if (t->packed)
			packed_put_desc(t->h, TABLE, i, d->addr, d->len, 0, d->flags);
		else
			put_desc(t->h, TABLE, i, d->addr, d->len, d->flags, (uint16_t)(i + 1));
	}
	hostile_offer(t, c->chain, descs_of(c->chain));
}

static void check_sentinel(struct hostile *t)
{
	uint8_t bytes[SENTINEL_SIZE];
	unsigned int wrong = 0;

	mem_read(t->h, SENTINEL, bytes, sizeof(bytes));
	for (unsigned int i = 0; i < sizeof(bytes); i++)
		wrong += bytes[i] != 0x5a;
	ck_assert_msg(wrong == 0, "%u bytes of memory that was not offered have changed", wrong);
}

static void once(struct hostile *t, const struct hostile_case *c, bool first)
{
	uint64_t features = FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | FEATURE(VIRTIO_F_RING_RESET);

	subject_start(&t->s, features & ~c->without);
	act(t, c);
	check_answer(t, c, first);
	check_sentinel(t);
	/* Whatever it was, a reset helps. */
	subject_start(&t->s, features);
	subject_serves(&t->s);
}

/* Repetitions cost no memory: a leak would show each time it is looked for. */
static void check_growth(struct hostile *t, const struct hostile_case *c)
{
	size_t before, after;
	unsigned int looks = 0;

	do {
		before = mallinfo2().uordblks;
		for (unsigned int i = 0; i < REPETITIONS; i++)
			once(t, c, false);
		after = mallinfo2().uordblks;
	} while (after > before && ++looks < LOOKS);
	ck_assert_msg(looks < LOOKS, "grows by %zu bytes in %d repetitions", after - before,
		      REPETITIONS);
}

START_TEST(hostile_driver)
{
	static struct hostile t;
	const struct combination *combination = &combinations[_i];
	struct cutting pages = cutting_every(4096);

	if (combination->packed)
		driver_use_packed();
	capture();
	subject_new(&t.s, combination->subject, &pages);
	cutting_free(&pages);
	t.h = &t.s.h;
	t.q = subject_queue(&t.s);
	t.packed = combination->packed;
	mem_fill(t.h, SENTINEL, 0x5a, SENTINEL_SIZE);
	once(&t, combination->hostile, true);
	check_growth(&t, combination->hostile);
	subject_free(&t.s);
	release();
	driver_use_split();
	passed[_i] = true;
}
END_TEST

/* libcheck knows a case by its number only. */
START_TEST(all_cases_have_passed)
{
	char names[2048] = "";
	size_t len = 0;

	for (unsigned int i = 0; i < combination_count; i++) {
		const struct combination *one = &combinations[i];

		if (!passed[i] && len < sizeof(names))
			len += (size_t)snprintf(names + len, sizeof(names) - len, " %s (%s, %s)",
						one->hostile->name, one->subject->name,
						one->packed ? "packed" : "split");
	}
	ck_assert_msg(len == 0, "not passed:%s", names);
	dprintf(STDOUT_FILENO, "hostile: %u named cases, %u devices x 2 rings, %u runs\n",
		case_count, subject_count(), combination_count);
}
END_TEST

/* Names are how a case is spoken of. */
START_TEST(each_case_has_a_name_of_its_own)
{
	for (unsigned int i = 0; i < combination_count; i++) {
		const struct hostile_case *one = combinations[i].hostile;

		for (unsigned int k = i + 1; k < combination_count; k++)
			ck_assert_msg(combinations[k].hostile == one ||
					      strcmp(combinations[k].hostile->name, one->name) != 0,
				      "%s is there twice", one->name);
	}
}
END_TEST

Suite *hostile_suite(void)
{
	Suite *suite = suite_create("hostile");
	TCase *tc = tcase_create("hostile");

	if (!combinations) {
		combine();
		passed = mmap(NULL, combination_count * sizeof(*passed), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (passed == MAP_FAILED)
			abort();
	}
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, hostile_driver, 0, (int)combination_count);
	tcase_add_test(tc, each_case_has_a_name_of_its_own);
	tcase_add_test(tc, all_cases_have_passed);
	suite_add_tcase(suite, tc);
	return suite;
}
