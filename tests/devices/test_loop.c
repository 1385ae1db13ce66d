/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The event loop: callbacks, their removal from inside callbacks, stopping from elsewhere. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/loop.h"
#include "tests/devices/suites.h"

/* A watched eventfd, and what its callback is to do. */
struct source {
	struct loop *loop;
	int fd;
	struct loop_watch *watch;
	struct source *removes; /* also to be removed; may be itself */
	unsigned int calls;
	unsigned int stop_after;
};

static void called(void *arg, uint32_t events)
{
	struct source *source = arg;
	uint64_t count;

	ck_assert_uint_eq(events, EPOLLIN);
	ck_assert_int_eq(read(source->fd, &count, sizeof(count)), sizeof(count));
	if (source->removes) {
		loop_remove(source->removes->watch);
		source->removes->watch = NULL;
		source->removes = NULL;
	}
	if (++source->calls == source->stop_after)
		loop_stop(source->loop, (int)source->calls);
}

static void ring(const struct source *source)
{
	uint64_t one = 1;

	ck_assert_int_eq(write(source->fd, &one, sizeof(one)), sizeof(one));
}

static void open_source(struct source *source, struct loop *loop)
{
	*source = (struct source){.loop = loop};
	source->fd = eventfd(0, EFD_CLOEXEC);
	ck_assert_int_ge(source->fd, 0);
	source->watch = loop_add(loop, source->fd, EPOLLIN, called, source);
	ck_assert_ptr_nonnull(source->watch);
}

static void close_source(struct source *source)
{
	loop_remove(source->watch);
	close(source->fd);
}

START_TEST(test_stop_before_run)
{
	struct loop *loop = loop_new();

	ck_assert_ptr_nonnull(loop);
	loop_stop(loop, 5);
	loop_stop(loop, 6);
	ck_assert_int_eq(loop_run(loop), 5);
	loop_free(loop);
	loop_free(NULL);
}
END_TEST

START_TEST(test_callback)
{
	struct loop *loop = loop_new();
	struct source source;

	open_source(&source, loop);
	source.stop_after = 1;
	ring(&source);
	ck_assert_int_eq(loop_run(loop), 1);
	close_source(&source);
	loop_free(loop);
}
END_TEST

/* All are ready in one batch; the first to be called removes another, which is not called then. */
START_TEST(test_remove_other)
{
	struct loop *loop = loop_new();
	struct source a, b, end;

	open_source(&a, loop);
	open_source(&b, loop);
	open_source(&end, loop);
	a.removes = &b;
	b.removes = &a;
	end.stop_after = 1;
	ring(&a);
	ring(&b);
	ring(&end);
	ck_assert_int_eq(loop_run(loop), 1);
	ck_assert_uint_eq(a.calls + b.calls, 1);
	close_source(&a);
	close_source(&b);
	close_source(&end);
	loop_free(loop);
}
END_TEST

START_TEST(test_remove_itself)
{
	struct loop *loop = loop_new();
	struct source a, end;

	open_source(&a, loop);
	open_source(&end, loop);
	a.removes = &a;
	end.stop_after = 1;
	ring(&a);
	ring(&a);
	ring(&end);
	ck_assert_int_eq(loop_run(loop), 1);
	ck_assert_uint_eq(a.calls, 1);
	close_source(&a);
	close_source(&end);
	loop_free(loop);
}
END_TEST

/* Watched for nothing, it is not called however ready it is. */
START_TEST(test_modify)
{
	struct loop *loop = loop_new();
	struct source quiet, end;

	open_source(&quiet, loop);
	open_source(&end, loop);
	ck_assert_int_eq(loop_modify(quiet.watch, 0), 0);
	end.stop_after = 1;
	ring(&quiet);
	ring(&end);
	ck_assert_int_eq(loop_run(loop), 1);
	ck_assert_uint_eq(quiet.calls, 0);
	close_source(&quiet);
	close_source(&end);
	loop_free(loop);
}
END_TEST

START_TEST(test_refused)
{
	struct loop *loop = loop_new();
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	ck_assert_ptr_null(loop_add(loop, fd, EPOLLIN, called, NULL));
	ck_assert_int_eq(errno, EPERM);
	ck_assert_ptr_null(loop_add(loop, -1, EPOLLIN, called, NULL));
	ck_assert_int_eq(errno, EBADF);
	loop_remove(NULL);
	close(fd);
	loop_free(loop);
}
END_TEST

static void *add_and_ring(void *arg)
{
	struct source *source = arg;

	open_source(source, source->loop);
	source->stop_after = 1;
	ring(source);
	return NULL;
}

START_TEST(test_add_from_thread)
{
	struct loop *loop = loop_new();
	struct source source = {.loop = loop};
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, add_and_ring, &source), 0);
	ck_assert_int_eq(loop_run(loop), 1);
	pthread_join(thread, NULL);
	close_source(&source);
	loop_free(loop);
}
END_TEST

static struct loop *signalled_loop;

static void on_alarm(int number)
{
	loop_stop(signalled_loop, number);
}

START_TEST(test_stop_from_signal)
{
	signalled_loop = loop_new();
	signal(SIGALRM, on_alarm);
	alarm(1);
	ck_assert_int_eq(loop_run(signalled_loop), SIGALRM);
	loop_free(signalled_loop);
}
END_TEST

Suite *loop_suite(void)
{
	Suite *suite = suite_create("loop");
	TCase *tcase = tcase_create("loop");

	tcase_add_test(tcase, test_stop_before_run);
	tcase_add_test(tcase, test_callback);
	tcase_add_test(tcase, test_remove_other);
	tcase_add_test(tcase, test_remove_itself);
	tcase_add_test(tcase, test_modify);
	tcase_add_test(tcase, test_refused);
	tcase_add_test(tcase, test_add_from_thread);
	tcase_add_test(tcase, test_stop_from_signal);
	suite_add_tcase(suite, tcase);
	return suite;
}
