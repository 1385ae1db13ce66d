/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Streams: what ends a transfer, what is an error, and descriptors of several kinds. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "tests/guestmem/fixture.h"
#include "tests/guestmem/suites.h"

static struct gm_memory *memory;
static uint8_t data[4 * PAGE];

/* Ten regions of 100 bytes from 0x1000 on, nothing behind them. */
static void setup(void)
{
	struct gm_range ranges[10];

	for (uint64_t i = 0; i < 10; i++)
		ranges[i] = (struct gm_range){0x1000 + 100 * i, 100};
	ck_assert_int_eq(gm_memory_from_ranges(ranges, 10, PAGE, &memory, NULL), 0);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 256);
}

static void teardown(void)
{
	gm_memory_put(memory);
}

/* The memory begins with the first @len bytes of the data, and the byte behind them is still 0. */
static void check_memory(size_t len)
{
	uint8_t got[1001] = {0};

	gm_read(memory, 0x1000, got, len < 1000 ? len + 1 : 1000);
	ck_assert_mem_eq(got, data, len);
	ck_assert_uint_eq(got[len], 0);
	for (size_t i = 0; i < 10; i++)
		ck_assert(gm_bitmap_is_set(gm_region_dirty(gm_memory_region(memory, i)), 0) ==
			  (i * 100 < len));
}

/* A source whose every call gives @per_call bytes, or @answer if that is not 0. */
struct source {
	struct gm_reader reader;
	size_t per_call, given;
	ssize_t answer;
	int calls, interruptions;
};

static ssize_t give(struct gm_reader *reader, const struct gm_slice *into)
{
	struct source *source = (struct source *)reader;
	size_t n = into->len < source->per_call ? into->len : source->per_call;

	source->calls++;
	if (source->interruptions-- > 0)
		return GM_ERR_INTERRUPTED;
	if (source->answer)
		return source->answer;
	ck_assert_int_eq(gm_slice_write(into, 0, data + source->given, n), (ssize_t)n);
	source->given += n;
	return (ssize_t)n;
}

static struct source make_source(size_t per_call)
{
	return (struct source){.reader = {.read = give}, .per_call = per_call};
}

START_TEST(short_read_ends_without_a_hole)
{
	struct source source = make_source(99);
	size_t done;

	ck_assert_int_eq(gm_read_from(memory, 0x1000, 1000, &source.reader), 99);
	ck_assert_int_eq(source.calls, 1);
	check_memory(99);
	source = make_source(99);
	ck_assert_int_eq(gm_read_exact_from(memory, 0x1000, 1000, &source.reader, &done),
			 GM_ERR_PARTIAL);
	ck_assert_uint_eq(done, 99);
}
END_TEST

START_TEST(full_reads_go_on_to_the_end_of_memory)
{
	struct source source = make_source(SIZE_MAX);

	source.interruptions = 3;
	ck_assert_int_eq(gm_read_from(memory, 0x1000, 5000, &source.reader), 1000);
	ck_assert_int_eq(source.calls, 13);
	check_memory(1000);
	ck_assert_int_eq(gm_read_from(memory, 0x1000 + 1000, 1, &source.reader),
			 GM_ERR_INVALID_ADDRESS);
	ck_assert_int_eq(gm_read_exact_from(memory, 0x1000, 1001, &source.reader, NULL),
			 GM_ERR_PARTIAL);
	ck_assert_int_eq(gm_read_exact_from(memory, 0x1000, 1000, &source.reader, NULL), 0);
	ck_assert_int_eq(gm_read_exact_from(memory, 0x5000, 0, &source.reader, NULL), 0);
}
END_TEST

START_TEST(callbacks_cannot_claim_too_much)
{
	struct source source = make_source(SIZE_MAX);

	source.answer = 101;
	ck_assert_int_eq(gm_read_from(memory, 0x1000, 1000, &source.reader), GM_ERR_CALLBACK_RANGE);
	source.answer = GM_ERR_IO;
	ck_assert_int_eq(gm_read_from(memory, 0x1000, 1000, &source.reader), GM_ERR_IO);
	check_memory(0);
}
END_TEST

/* A sink that takes @per_call bytes a call and @room in all. */
struct sink {
	struct gm_writer writer;
	size_t per_call, room, taken;
	uint8_t bytes[1000];
	ssize_t answer;
	int interruptions;
};

static ssize_t take(struct gm_writer *writer, const struct gm_slice *from)
{
	struct sink *sink = (struct sink *)writer;
	size_t n = from->len < sink->per_call ? from->len : sink->per_call;

	if (sink->interruptions-- > 0)
		return GM_ERR_INTERRUPTED;
	if (sink->answer)
		return sink->answer;
	n = n < sink->room - sink->taken ? n : sink->room - sink->taken;
	ck_assert_int_eq(gm_slice_read(from, 0, sink->bytes + sink->taken, n), (ssize_t)n);
	sink->taken += n;
	return (ssize_t)n;
}

static struct sink make_sink(size_t per_call, size_t room)
{
	return (struct sink){.writer = {take}, .per_call = per_call, .room = room};
}

START_TEST(sink_takes_all_or_it_is_an_error)
{
	struct sink sink = make_sink(7, 1000);
	size_t done;

	ck_assert_int_eq(gm_write(memory, 0x1000, data, 1000), 1000);
	sink.interruptions = 2;
	ck_assert_int_eq(gm_write_to(memory, 0x1000, 5000, &sink.writer), 1000);
	ck_assert_mem_eq(sink.bytes, data, 1000);
	sink = make_sink(7, 150);
	ck_assert_int_eq(gm_write_to(memory, 0x1000, 1000, &sink.writer), GM_ERR_WRITE_ZERO);
	sink = make_sink(7, 150);
	ck_assert_int_eq(gm_write_all_to(memory, 0x1000, 1000, &sink.writer, &done),
			 GM_ERR_WRITE_ZERO);
	ck_assert_uint_eq(done, 150);
	ck_assert_mem_eq(sink.bytes, data, 150);
	sink = make_sink(7, 1000);
	ck_assert_int_eq(gm_write_all_to(memory, 0x1300, 1000, &sink.writer, &done), GM_ERR_PARTIAL);
	ck_assert_uint_eq(done, 232);
	sink.answer = 101;
	ck_assert_int_eq(gm_write_to(memory, 0x1000, 100, &sink.writer), GM_ERR_CALLBACK_RANGE);
	sink.answer = GM_ERR_IO;
	ck_assert_int_eq(gm_write_to(memory, 0x1000, 100, &sink.writer), GM_ERR_IO);
	ck_assert_int_eq(gm_write_to(memory, 0x5000, 1, &sink.writer), GM_ERR_INVALID_ADDRESS);
}
END_TEST

START_TEST(slices_make_one_call_or_all)
{
	struct gm_region *region = gm_memory_region(memory, 0);
	struct gm_slice slice = gm_region_slice(region);
	struct source source = make_source(30);
	struct sink sink = make_sink(30, 1000);
	size_t done;

	ck_assert_int_eq(gm_slice_read_from(&slice, 0, 80, &source.reader), 30);
	ck_assert_int_eq(gm_slice_read_from(&slice, 90, 80, &source.reader), 10);
	ck_assert_int_eq(gm_slice_read_from(&slice, 100, 80, &source.reader), 0);
	ck_assert_int_eq(gm_slice_read_from(&slice, 101, 80, &source.reader), GM_ERR_OUT_OF_BOUNDS);
	ck_assert_int_eq(gm_region_read_from(region, 101, 80, &source.reader),
			 GM_ERR_INVALID_BACKEND);
	ck_assert_int_eq(gm_slice_read_exact_from(&slice, 20, 81, &source.reader, &done),
			 GM_ERR_OUT_OF_BOUNDS);
	ck_assert_int_eq(gm_region_read_exact_from(region, 20, 81, &source.reader, &done),
			 GM_ERR_INVALID_BACKEND);
	ck_assert_uint_eq(done, 0);
	source = make_source(30);
	ck_assert_int_eq(gm_region_read_exact_from(region, 0, 100, &source.reader, &done), 0);
	ck_assert_uint_eq(done, 100);
	check_memory(100);
	source.per_call = 0;
	ck_assert_int_eq(gm_slice_read_exact_from(&slice, 0, 100, &source.reader, NULL),
			 GM_ERR_UNEXPECTED_EOF);

	ck_assert_int_eq(gm_slice_write_to(&slice, 0, 80, &sink.writer), 30);
	ck_assert_int_eq(gm_region_write_to(region, 30, 80, &sink.writer), 30);
	ck_assert_int_eq(gm_slice_write_all_to(&slice, 60, 41, &sink.writer, NULL),
			 GM_ERR_OUT_OF_BOUNDS);
	ck_assert_int_eq(gm_region_write_all_to(region, 60, 41, &sink.writer, NULL),
			 GM_ERR_INVALID_BACKEND);
	ck_assert_int_eq(gm_region_write_all_to(region, 60, 40, &sink.writer, &done), 0);
	ck_assert_uint_eq(done, 40);
	ck_assert_mem_eq(sink.bytes, data, 100);
	sink.room = 110;
	ck_assert_int_eq(gm_slice_write_all_to(&slice, 0, 40, &sink.writer, &done),
			 GM_ERR_WRITE_ZERO);
	ck_assert_uint_eq(done, 10);
	slice.flags = GM_SLICE_READ_ONLY;
	ck_assert_int_eq(gm_slice_read_from(&slice, 0, 1, &source.reader), GM_ERR_READ_ONLY);
	ck_assert_int_eq(gm_slice_read_exact_from(&slice, 0, 1, &source.reader, NULL),
			 GM_ERR_READ_ONLY);
}
END_TEST

START_TEST(buffers_are_streams)
{
	struct gm_slice slice = gm_region_slice(gm_memory_region(memory, 0));
	struct gm_buf_reader reader = gm_buf_reader(data, 250);
	struct gm_buf_writer writer;
	uint8_t out[250];

	ck_assert_int_eq(gm_read_from(memory, 0x1000, 1000, &reader.reader), 250);
	ck_assert_uint_eq(reader.left, 0);
	check_memory(250);
	/* Too short for an exact read of a slice: then nothing is taken. */
	reader = gm_buf_reader(data, 99);
	ck_assert_int_eq(gm_slice_read_exact_from(&slice, 0, 100, &reader.reader, NULL),
			 GM_ERR_UNEXPECTED_EOF);
	ck_assert_uint_eq(reader.left, 99);
	ck_assert_int_eq(gm_slice_read_exact_from(&slice, 1, 99, &reader.reader, NULL), 0);
	ck_assert_int_eq(gm_slice_read_exact_from(&slice, 100, 0, &reader.reader, NULL), 0);
	ck_assert_int_eq(gm_write(memory, 0x1000, data, 250), 250);
	writer = gm_buf_writer(out, 250);
	ck_assert_int_eq(gm_write_to(memory, 0x1000, 250, &writer.writer), 250);
	ck_assert_uint_eq(writer.left, 0);
	ck_assert_mem_eq(out, data, 250);
	ck_assert_int_eq(gm_slice_write_to(&slice, 100, 5, &writer.writer), 0);
}
END_TEST

START_TEST(files_at_a_position_and_at_their_own)
{
	int fd = make_file(0);
	uint8_t got[1000];
	size_t done;

	ck_assert_int_eq(gm_write(memory, 0x1000, data, 1000), 1000);
	ck_assert_int_eq(gm_write_to_fd(memory, 0x1000, 5000, fd, 300), 1000);
	ck_assert_int_eq(gm_write_to_fd(memory, 0x1000, 200, fd, -1), 200);
	ck_assert_int_eq(gm_write_all_to_fd(memory, 0x1000 + 200, 100, fd, -1, &done), 0);
	ck_assert_uint_eq(done, 100);
	ck_assert_int_eq(lseek(fd, 0, SEEK_END), 1300);
	ck_assert_int_eq(pread(fd, got, 300, 0), 300);
	ck_assert_mem_eq(got, data, 300);
	ck_assert_int_eq(pread(fd, got, 1000, 300), 1000);
	ck_assert_mem_eq(got, data, 1000);

	teardown();
	setup();
	ck_assert_int_eq(gm_read_from_fd(memory, 0x1000, 5000, fd, 300), 1000);
	check_memory(1000);
	ck_assert_int_eq(lseek(fd, 1200, SEEK_SET), 1200);
	ck_assert_int_eq(gm_read_from_fd(memory, 0x1000, 1000, fd, -1), 100);
	ck_assert_int_eq(gm_read_from_fd(memory, 0x1000, 1000, fd, -1), 0);
	ck_assert_int_eq(gm_read_exact_from_fd(memory, 0x1000, 1000, fd, 301, &done),
			 GM_ERR_UNEXPECTED_EOF);
	ck_assert_uint_eq(done, 999);
	ck_assert_int_eq(gm_read_exact_from_fd(memory, 0x1300, 1000, fd, 0, &done), GM_ERR_PARTIAL);
	ck_assert_uint_eq(done, 232);
	ck_assert_int_eq(gm_read_exact_from_fd(memory, 0x5000, 1, fd, 0, &done),
			 GM_ERR_INVALID_ADDRESS);
	ck_assert_int_eq(gm_read_exact_from_fd(memory, 0x5000, 0, fd, 0, &done), 0);
	ck_assert_int_eq(gm_read_from_fd(memory, 0, UINT64_MAX, fd, 0), GM_ERR_ADDRESS_OVERFLOW);
	close(fd);
}
END_TEST

START_TEST(what_is_read_only_is_not_read_into)
{
	struct gm_region_config configs[] = {
		{.start = 0, .size = PAGE},
		{.start = PAGE, .size = PAGE, .flags = GM_REGION_READ_ONLY},
	};
	struct gm_buf_reader reader = gm_buf_reader(data, PAGE);
	struct gm_memory *mixed;
	int fd = make_file(3 * PAGE);
	size_t done;

	ck_assert_int_eq(gm_memory_from_configs(configs, 2, &mixed, NULL), 0);
	ck_assert_int_eq(gm_read_from_fd(mixed, 0, 2 * PAGE, fd, 0), PAGE);
	ck_assert_int_eq(gm_read_exact_from_fd(mixed, 0, 2 * PAGE, fd, 0, &done), GM_ERR_PARTIAL);
	ck_assert_uint_eq(done, PAGE);
	ck_assert_int_eq(gm_read_from_fd(mixed, PAGE, 1, fd, 0), GM_ERR_READ_ONLY);
	ck_assert_int_eq(gm_read_from(mixed, PAGE, 1, &reader.reader), GM_ERR_READ_ONLY);
	ck_assert_int_eq(gm_read_from(mixed, PAGE - 5, 10, &reader.reader), 5);
	ck_assert_int_eq(gm_write_all_to_fd(mixed, 0, 2 * PAGE, fd, 0, NULL), 0);
	gm_memory_put(mixed);
	close(fd);
}
END_TEST

START_TEST(a_pipe_gives_what_it_has)
{
	int fds[2];
	size_t done;

	ck_assert_int_eq(pipe2(fds, O_NONBLOCK), 0);
	ck_assert_int_eq(gm_read_from_fd(memory, 0x1000, 1000, fds[0], -1), GM_ERR_IO);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(write(fds[1], data, 250), 250);
	ck_assert_int_eq(gm_read_from_fd(memory, 0x1000, 1000, fds[0], -1), 250);
	check_memory(250);
	/* The exact form goes on until the pipe is empty, and says how far it came. */
	ck_assert_int_eq(write(fds[1], data, 300), 300);
	ck_assert_int_eq(gm_read_exact_from_fd(memory, 0x1000, 400, fds[0], -1, &done), GM_ERR_IO);
	ck_assert_uint_eq(done, 300);
	close(fds[1]);
	ck_assert_int_eq(gm_read_exact_from_fd(memory, 0x1000, 400, fds[0], -1, &done),
			 GM_ERR_UNEXPECTED_EOF);
	ck_assert_int_eq(gm_read_from_fd(memory, 0x1000, 1000, -1, -1), GM_ERR_IO);
	ck_assert_int_eq(errno, EBADF);
	close(fds[0]);
}
END_TEST

START_TEST(descriptors_for_regions_and_slices)
{
	struct gm_region *region = gm_memory_region(memory, 0);
	struct gm_fd_stream stream = gm_fd_stream(make_file(0));
	int pipe_fds[2];

	ck_assert_int_eq(gm_region_write(region, 0, data, 100), 100);
	ck_assert_int_eq(gm_region_write_all_to(region, 0, 100, &stream.writer, NULL), 0);
	ck_assert_int_eq(gm_region_write_to(region, 40, 100, &stream.writer), 60);
	ck_assert_int_eq(lseek(stream.fd, 0, SEEK_SET), 0);
	teardown();
	setup();
	region = gm_memory_region(memory, 0);
	ck_assert_int_eq(gm_region_read_exact_from(region, 0, 100, &stream.reader, NULL), 0);
	check_memory(100);
	ck_assert_int_eq(gm_region_read_from(region, 0, 100, &stream.reader), 60);
	ck_assert_int_eq(gm_region_read_from(region, 0, 100, &stream.reader), 0);
	close(stream.fd);
	ck_assert_int_eq(gm_region_read_from(region, 0, 100, &stream.reader), GM_ERR_IO);
	ck_assert_int_eq(errno, EBADF);
	ck_assert_int_eq(pipe(pipe_fds), 0);
	stream = gm_fd_stream(pipe_fds[0]);
	ck_assert_int_eq(gm_region_write_to(region, 0, 100, &stream.writer), GM_ERR_IO);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}
END_TEST

Suite *stream_suite(void)
{
	Suite *suite = suite_create("stream");
	TCase *tcase = tcase_create("stream");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, short_read_ends_without_a_hole);
	tcase_add_test(tcase, full_reads_go_on_to_the_end_of_memory);
	tcase_add_test(tcase, callbacks_cannot_claim_too_much);
	tcase_add_test(tcase, sink_takes_all_or_it_is_an_error);
	tcase_add_test(tcase, slices_make_one_call_or_all);
	tcase_add_test(tcase, buffers_are_streams);
	tcase_add_test(tcase, files_at_a_position_and_at_their_own);
	tcase_add_test(tcase, what_is_read_only_is_not_read_into);
	tcase_add_test(tcase, a_pipe_gives_what_it_has);
	tcase_add_test(tcase, descriptors_for_regions_and_slices);
	suite_add_tcase(suite, tcase);
	return suite;
}
