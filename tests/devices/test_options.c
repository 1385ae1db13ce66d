/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The table of device types, and what each says to arguments that are wrong. */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/chardev.h"
#include "tests/devices/harness.h"
#include "tests/devices/suites.h"

static char dir[] = "/tmp/test-devices-XXXXXX";
static struct loop *loop;

static void set_up(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
	loop = loop_new();
}

static void tear_down(void)
{
	loop_free(loop);
	unlink("image");
	unlink("pipe");
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}

static void make_image(off_t size)
{
	int fd = open("image", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, size), 0);
	close(fd);
}

/* The option must fail with @status and exactly @text. */
static void refused(const char *type, const char *args, enum report_status status, const char *text)
{
	struct virtio_device *dev = NULL;
	struct report report = {0};

	ck_assert_int_eq(type_named(type)->create("--opt", args, loop, &dev, &report), -1);
	ck_assert_str_eq(report.text, text);
	ck_assert_int_eq(report.status, status);
	ck_assert_ptr_null(dev);
}

static struct virtio_device *accepted(const char *type, const char *args)
{
	struct virtio_device *dev = NULL;
	struct report report = {0};

	ck_assert_msg(type_named(type)->create("--opt", args, loop, &dev, &report) == 0, "%s",
		      report.text);
	return dev;
}

START_TEST(every_type_is_complete_and_named_once)
{
	for (const struct device_type *const *type = device_types; *type; type++) {
		ck_assert_ptr_nonnull((*type)->name);
		ck_assert_ptr_nonnull((*type)->help);
		ck_assert_ptr_nonnull((*type)->create);
		ck_assert_ptr_eq(type_named((*type)->name), *type);
	}
}
END_TEST

/* A word of the help is one the device takes, or takes with another value. */
START_TEST(words_of_the_help_are_known)
{
	char name[64], args[128];

	for (const struct device_type *const *type = device_types; *type; type++) {
		ck_assert_ptr_nonnull((*type)->words);
		for (const struct device_word *word = (*type)->words; word->word; word++) {
			struct virtio_device *dev = NULL;
			struct report report = {0};
			bool first = strcmp((*type)->name, "rng") == 0 ||
				     strcmp((*type)->name, "balloon") == 0;
			bool of_tap = strncmp(word->help, "tap:", 4) == 0;

			/* In capitals it stands for something. */
			snprintf(name, sizeof(name), "%.*s", (int)strcspn(word->word, "["),
				 word->word);
			if (isupper((unsigned char)*name) || !strcmp(name, "user") ||
			    !strcmp(name, "tap") || !strcmp(name, "none"))
				continue;
			snprintf(args, sizeof(args), "%s%s%s",
				 first                          ? ""
				 : strcmp((*type)->name, "net") ? "/nowhere/x,"
				 : of_tap                       ? "tap,"
								: "user,",
				 name, strchr(name, '=') ? "?" : "");
			if ((*type)->check ? (*type)->check("--opt", args, &report)
					   : (*type)->create("--opt", args, loop, &dev, &report))
				ck_assert_msg(!strstr(report.text, "unknown"), "%s", report.text);
			else if (dev)
				virtio_device_free(dev);
			ck_assert_uint_ge(strlen(word->help), 3);
		}
	}
}
END_TEST

/* What can be told without making it is told, and nothing is made. */
static const struct {
	const char *type, *args;
	const char *text; /* NULL: it is right */
} checked[] = {
	{"console", "null", NULL},
	{"console", "pty,port=a:file=made", NULL},
	{"console", "socket=made,port=a:pipe=made", NULL},
	{"console", "file=/nowhere/x", "--opt file=/nowhere/x: No such file or directory"},
	{"console", "file=/", "--opt file=/: Is a directory"},
	{"console", "socket=/nowhere/x",
	 "--opt: cannot create the socket '/nowhere/x': No such file or directory"},
	{"console", "socket=/", "--opt: '/' exists and is not a socket; it is not replaced"},
	{"console", "connect=made", "--opt: cannot connect to 'made': No such file or directory"},
	{"console", "connect=/dev/null",
	 "--opt: cannot connect to '/dev/null': Socket operation on non-socket"},
	{"console", "pipe=/nowhere/x",
	 "--opt: cannot create the FIFO '/nowhere/x.in': No such file or directory"},
	{"console", "null,port=a:nil",
	 "--opt port a nil: not a backend; there are stdio, null, pty, "
	 "file=PATH, socket=PATH, connect=PATH and pipe=PATH"},
	{"console", "stdio,port=a:stdio",
	 "--opt port a stdio: standard input and output are taken by --opt"},
	{"console", "file=made,port=a:file=other", NULL},
	{"console", "file=/dev/null,port=a:file=/dev/null", NULL},
	{"console", "file=made,port=a:socket=.//made",
	 "--opt port a socket=.//made: --opt has that file already; give each one of its own"},
	{"vsock", "made", NULL},
	{"vsock", "made,cid=2", "--opt: cid '2' is not a number from 3 to 4294967294"},
	{"vsock", "/nowhere/x",
	 "--opt: cannot create the socket '/nowhere/x': No such file or directory"},
	{"disk", "/nowhere/x", "--opt: cannot open '/nowhere/x': No such file or directory"},
	{"net", "tap,ifname=vmm-none",
	 "--opt: ifname 'vmm-none' does not exist; right is: ip tuntap add dev vmm-none mode tap "
	 "user $USER"},
	{"net", "tap,fd=987", "--opt: fd '987' is not open"},
	{"net", "tpa", "--opt tpa: not a backend; did you mean tap?"},
	{"rng", "rate=1K", NULL},
	{"balloon", "1M,stats=10", NULL},
};

START_TEST(a_check_makes_nothing)
{
	struct report report = {0};
	int err =
		device_check(type_named(checked[_i].type), "--opt", checked[_i].args, loop, &report);

	ck_assert_int_eq(err, checked[_i].text ? -1 : 0);
	ck_assert_str_eq(report.text, checked[_i].text ? checked[_i].text : "");
	ck_assert_int_ne(access("made", F_OK), 0);
	ck_assert_int_ne(access("made.in", F_OK), 0);
}
END_TEST

START_TEST(disk_words)
{
	make_image(1024);
	refused("disk", "", REPORT_USER, "--opt: the path of the image is missing");
	refused("disk", ",ro", REPORT_USER, "--opt: the path of the image is missing");
	refused("disk", "image,rw", REPORT_USER, "--opt: 'rw': unknown word; did you mean ro?");
	refused("disk", "image,rdonly", REPORT_USER,
		"--opt: 'rdonly': unknown word; did you mean ro?");
	refused("disk", "image,cahce=none", REPORT_USER,
		"--opt: 'cahce=none': unknown word; did you mean "
		"cache=writeback|writethrough|none?");
	refused("disk", "image,ro=1", REPORT_USER,
		"--opt: 'ro=1': unknown word, known are ro, id=TEXT, cache=, queues=, block=, aio= "
		"and discard=");
	refused("disk", "image,", REPORT_USER,
		"--opt: '': unknown word, known are ro, id=TEXT, cache=, queues=, block=, aio= and "
		"discard=");
	refused("disk", "image,cache=unsafe", REPORT_USER,
		"--opt: cache=unsafe: should be writeback, writethrough or none");
	refused("disk", "image,block=1024", REPORT_USER, "--opt: block=1024: should be 512 or 4096");
	refused("disk", "image,aio=native", REPORT_USER,
		"--opt: aio=native: should be io_uring or threads");
	refused("disk", "image,discard=yes", REPORT_USER, "--opt: discard=yes: should be off or on");
	refused("disk", "image,queues=0", REPORT_USER, "--opt: queues=0: a disk has 1 to 16 queues");
	refused("disk", "image,queues=17", REPORT_USER,
		"--opt: queues=17: a disk has 1 to 16 queues");
	refused("disk", "image,queues=-1", REPORT_USER,
		"--opt: queues=-1: a disk has 1 to 16 queues");
	refused("disk", "image,queues=2x", REPORT_USER,
		"--opt: queues=2x: a disk has 1 to 16 queues");
	refused("disk", "image,ro,discard=on", REPORT_USER,
		"--opt: discard=on and ro exclude each other");
	refused("disk", "image,block=4096", REPORT_USER,
		"--opt: 'image' has 1024 bytes, which is not a multiple of 4096");
	refused("disk", "image,id=", REPORT_USER, "--opt: id '' has 0 bytes, 1 to 20 are possible");
	refused("disk", "image,id=123456789012345678901", REPORT_USER,
		"--opt: id '123456789012345678901' has 21 bytes, 1 to 20 are possible");
	virtio_device_free(accepted("disk", "image,id=12345678901234567890,ro"));
}
END_TEST

START_TEST(disk_that_is_no_image)
{
	refused("disk", "image", REPORT_USER,
		"--opt: cannot open 'image': No such file or directory");
	refused("disk", "/", REPORT_USER,
		"--opt: '/' is a directory; a disk image is a regular file or a block device");
	refused("disk", "/,ro", REPORT_USER,
		"--opt: '/' is a directory; a disk image is a regular file or a block device");
	refused("disk", "/dev/null", REPORT_USER,
		"--opt: '/dev/null' is a character device; a disk image is a regular file or a "
		"block device");
	ck_assert_int_eq(mkfifo("pipe", 0600), 0);
	refused("disk", "pipe,ro", REPORT_USER,
		"--opt: 'pipe' is a pipe; a disk image is a regular file or a block device");
	refused("disk", "/etc/passwd/image", REPORT_USER,
		"--opt: cannot open '/etc/passwd/image': Not a directory");
	refused("disk", "/proc/self/comm,cache=none", REPORT_HOST,
		"--opt: cache=none: what '/proc/self/comm' is on has no direct I/O; "
		"'cache=writeback' does without");
}
END_TEST

START_TEST(disk_of_a_wrong_size)
{
	make_image(0);
	refused("disk", "image", REPORT_USER,
		"--opt: 'image' is empty; a disk has at least one sector of 512 bytes");
	make_image(1000);
	refused("disk", "image", REPORT_USER,
		"--opt: 'image' has 1000 bytes, which is not a multiple of 512");
	make_image(512);
	virtio_device_free(accepted("disk", "image"));
}
END_TEST

START_TEST(disk_without_permission)
{
	make_image(512);
	ck_assert_int_eq(chmod("image", 0444), 0);
	if (geteuid() == 0) {
		/* Root is refused nothing, so be nobody: the directory must let that one in. */
		ck_assert_int_eq(chmod(dir, 0755), 0);
		if (seteuid(65534))
			TEST_SKIP("cannot become another user");
	}
	refused("disk", "image", REPORT_USER,
		"--opt: cannot open 'image': Permission denied; ',ro' opens it for reading only");
	virtio_device_free(accepted("disk", "image,ro"));
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

START_TEST(disk_that_is_in_use)
{
	struct virtio_device *one, *two;

	make_image(512);
	one = accepted("disk", "image");
	refused("disk", "image", REPORT_HOST, "--opt: 'image' is in use by another disk or process");
	refused("disk", "image,ro", REPORT_HOST,
		"--opt: 'image' is in use by another disk or process that writes to it");
	virtio_device_free(one);
	one = accepted("disk", "image,ro");
	two = accepted("disk", "image,ro");
	refused("disk", "image", REPORT_HOST, "--opt: 'image' is in use by another disk or process");
	virtio_device_free(one);
	virtio_device_free(two);
}
END_TEST

static void *release_soon(void *fd)
{
	usleep(50000);
	close(*(int *)fd);
	return NULL;
}

/* The kernel holds its lock a little longer. */
START_TEST(disk_of_a_monitor_that_was_just_killed)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	pthread_t thread;
	int fd;

	make_image(512);
	fd = open("image", O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &whole), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, release_soon, &fd), 0);
	virtio_device_free(accepted("disk", "image"));
	pthread_join(thread, NULL);
}
END_TEST

static const struct {
	const char *args;
	const char *rate; /* what is quoted; NULL: the word is unknown */
} rng_mistakes[] = {
	{"/dev/random", NULL},   {"rate", NULL},
	{"rate=", ""},           {"rate=0", "0"},
	{"rate=-1", "-1"},       {"rate=+1", "+1"},
	{"rate=1Q", "1Q"},       {"rate=1KK", "1KK"},
	{"rate=1025M", "1025M"}, {"rate=1K,x", "1K,x"},
	{"rate=K", "K"},         {"rate=18446744073709551617", "18446744073709551617"},
};

START_TEST(rng_words)
{
	char text[160];

	if (rng_mistakes[_i].rate)
		snprintf(text, sizeof(text),
			 "--opt: rate '%s' is not a number of bytes a second from 1 to 1024M, for "
			 "example 64K",
			 rng_mistakes[_i].rate);
	else
		snprintf(text, sizeof(text), "--opt: '%s': unknown word, known is rate=BYTES",
			 rng_mistakes[_i].args);
	refused("rng", rng_mistakes[_i].args, REPORT_USER, text);
	virtio_device_free(accepted("rng", NULL));
	virtio_device_free(accepted("rng", ""));
	virtio_device_free(accepted("rng", "rate=1"));
	virtio_device_free(accepted("rng", "rate=1024M"));
	virtio_device_free(accepted("rng", "rate=1GiB"));
	virtio_device_free(accepted("rng", "rate=0x10+1K"));
	virtio_device_free(accepted("balloon", "0x1000,stats=2m"));
	refused("rng", "rte=1", REPORT_USER,
		"--opt: 'rte=1': unknown word; did you mean rate=BYTES?");
}
END_TEST

#define BALLOON_SIZE  "size '%s' is not a multiple of 4K below 16384G, for example 64M"
#define BALLOON_STATS "stats '%s' is not a number of seconds from 1 to 86400"
#define BALLOON_WORD                                                                         \
	"'%s': unknown word, known are a size (64M), stats=SECONDS, deflate-on-oom=on|off, " \
	"reporting=on|off"

static const struct {
	const char *args;
	const char *what; /* with what is quoted */
	const char *quoted;
} balloon_mistakes[] = {
	{"1", BALLOON_SIZE, "1"},
	{"6K", BALLOON_SIZE, "6K"},
	{"64Q", BALLOON_SIZE, "64Q"},
	{"64MB", BALLOON_SIZE, "64MB"},
	{"0x1001", BALLOON_SIZE, "0x1001"},
	{"16384G", BALLOON_SIZE, "16384G"},
	{"18014398509481985K", BALLOON_SIZE, "18014398509481985K"},
	{"18446744073709555712", BALLOON_SIZE, "18446744073709555712"},
	{"-4K", BALLOON_WORD, "-4K"},
	{"64M,", BALLOON_WORD, ""},
	{",64M", BALLOON_WORD, ""},
	{"64M,stat=1", "'%s': unknown word; did you mean stats=SECONDS?", "stat=1"},
	{"64M,poison=1", BALLOON_WORD, "poison=1"},
	{"stats", BALLOON_WORD, "stats"},
	{"stats=", BALLOON_STATS, ""},
	{"stats=0", BALLOON_STATS, "0"},
	{"stats=+1", BALLOON_STATS, "+1"},
	{"stats=1500ms", BALLOON_STATS, "1500ms"},
	{"stats=86401", BALLOON_STATS, "86401"},
	{"stats=18446744073709551617", BALLOON_STATS, "18446744073709551617"},
	{"reporting=1", "'%s': reporting is on or off", "reporting=1"},
	{"64M,deflate-on-oom=", "'%s': deflate-on-oom is on or off", "deflate-on-oom="},
};

START_TEST(balloon_words)
{
	char what[200], text[220];

	snprintf(what, sizeof(what), balloon_mistakes[_i].what, balloon_mistakes[_i].quoted);
	snprintf(text, sizeof(text), "--opt: %s", what);
	refused("balloon", balloon_mistakes[_i].args, REPORT_USER, text);
}
END_TEST

START_TEST(balloon_words_that_are_right)
{
	static const char *const args[] = {NULL,
					   "",
					   "0",
					   "4096",
					   "64M",
					   "16383G",
					   "stats=1",
					   "stats=86400",
					   "reporting=off",
					   "deflate-on-oom=on,8K",
					   "1G,stats=5,deflate-on-oom=off,reporting=on"};

	for (size_t i = 0; i < sizeof(args) / sizeof(*args); i++)
		virtio_device_free(accepted("balloon", args[i]));
}
END_TEST

#define NAME_64 "0123456789012345678901234567890123456789012345678901234567890123"

static const struct {
	const char *args, *text;
} console_mistakes[] = {
	{"null,port=", "--opt: port '': a port is NAME:SPEC, for example log:file=log.txt"},
	{"null,port=a,port=b:null",
	 "--opt: port 'a': a port is NAME:SPEC, for example log:file=log.txt"},
	{"null,port=:null", "--opt: port name '' has 0 bytes, 1 to 64 are possible"},
	{"null,port=" NAME_64 "x:null",
	 "--opt: port name '" NAME_64 "x' has 65 bytes, 1 to 64 are possible"},
	{"null,port=a/b:null",
	 "--opt: port name 'a/b': only visible characters without '/' are possible"},
	{"null,port=a b:null",
	 "--opt: port name 'a b': only visible characters without '/' are possible"},
	{"null,port=a:null,port=a:pty", "--opt: two ports have the name 'a'"},
	{"null,port=a:tcp",
	 "--opt port a tcp: not a backend; there are stdio, null, pty, file=PATH, "
	 "socket=PATH, connect=PATH and pipe=PATH"},
	{"socket=s,port=a:socket=no/s",
	 "--opt port a: cannot create the socket 'no/s': No such file or directory"},
	{"socket=s,port=a:socket=s",
	 "--opt port a socket=s: --opt has that file already; give each one of its own"},
	{"file=f,port=a:null,port=b:file=./f",
	 "--opt port b file=./f: --opt has that file already; give each one of its own"},
	{"null,port=a:pipe=f,port=b:pipe=f",
	 "--opt port b pipe=f: --opt port a has that file already; give each one of its own"},
	{"pipe=f,port=a:file=f.out",
	 "--opt port a file=f.out: --opt has that file already; give each one of its own"},
	{"stdio,port=a:stdio", "--opt port a stdio: standard input and output are taken by --opt"},
};

START_TEST(console_words)
{
	refused("console", console_mistakes[_i].args, REPORT_USER, console_mistakes[_i].text);
}
END_TEST

static void check_file(const char *path, const char *want)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[16] = "";

	ck_assert_int_ge(fd, 0);
	ck_assert_int_ge(read(fd, text, sizeof(text) - 1), 0);
	ck_assert_str_eq(text, want);
	close(fd);
}

/* A file is what it was if another port, or another option, is wrong: until the guest begins. */
START_TEST(console_files_are_emptied_last)
{
	struct virtio_device *dev;
	int fd = open("old", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_eq(write(fd, "dear", 4), 4);
	close(fd);
	refused("console", "file=old,port=a:file=new,port=b:file=no/x", REPORT_USER,
		"--opt port b file=no/x: No such file or directory");
	check_file("old", "dear");
	ck_assert_int_eq(access("new", F_OK), -1);
	virtio_device_free(accepted("console", "file=old,port=a:file=new"));
	check_file("old", "dear");
	ck_assert_int_eq(access("new", F_OK), -1);
	dev = accepted("console", "file=old,port=a:file=new");
	chardev_begin();
	virtio_device_free(dev);
	check_file("old", "");
	check_file("new", "");
	ck_assert_int_eq(unlink("old") | unlink("new"), 0);
}
END_TEST

/* Whatever it is called; and when the first has gone, another may have it. */
START_TEST(console_files_are_one_users)
{
	struct virtio_device *dev;

	make_image(5);
	ck_assert_int_eq(symlink("image", "link"), 0);
	dev = accepted("console", "file=link");
	refused("console", "null,port=a:file=image", REPORT_USER,
		"--opt port a file=image: --opt has that file already; give each one of its own");
	virtio_device_free(dev);
	virtio_device_free(accepted("console", "file=image"));
	unlink("link");
	virtio_device_free(accepted("console", "file=/dev/null,port=a:file=/dev/null"));
}
END_TEST

START_TEST(console_of_as_many_ports_as_there_may_be)
{
	struct virtio_device *dev;
	char args[1024] = "null";

	for (unsigned int i = 1; i < 31; i++)
		snprintf(args + strlen(args), sizeof(args) - strlen(args), ",port=p%u:null", i);
	dev = accepted("console", args);
	ck_assert_uint_eq(dev->queue_count, 64);
	virtio_device_free(dev);
	strcat(args, ",port=last:null");
	refused("console", args, REPORT_USER,
		"--opt: port 'last' is one too many, a console has at most 31");
}
END_TEST

Suite *options_suite(void)
{
	Suite *suite = suite_create("options");
	TCase *tc = tcase_create("options");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, every_type_is_complete_and_named_once);
	tcase_add_test(tc, words_of_the_help_are_known);
	tcase_add_loop_test(tc, a_check_makes_nothing, 0,
			    (int)(sizeof(checked) / sizeof(checked[0])));
	tcase_add_test(tc, disk_words);
	tcase_add_test(tc, disk_that_is_no_image);
	tcase_add_test(tc, disk_of_a_wrong_size);
	tcase_add_test(tc, disk_without_permission);
	tcase_add_test(tc, disk_that_is_in_use);
	tcase_add_test(tc, disk_of_a_monitor_that_was_just_killed);
	tcase_add_loop_test(tc, rng_words, 0, sizeof(rng_mistakes) / sizeof(rng_mistakes[0]));
	tcase_add_loop_test(tc, console_words, 0,
			    sizeof(console_mistakes) / sizeof(console_mistakes[0]));
	tcase_add_test(tc, console_files_are_emptied_last);
	tcase_add_test(tc, console_files_are_one_users);
	tcase_add_test(tc, console_of_as_many_ports_as_there_may_be);
	tcase_add_loop_test(tc, balloon_words, 0,
			    sizeof(balloon_mistakes) / sizeof(balloon_mistakes[0]));
	tcase_add_test(tc, balloon_words_that_are_right);
	suite_add_tcase(suite, tc);
	return suite;
}
