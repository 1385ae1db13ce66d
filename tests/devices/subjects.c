/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The devices for the suites that run over all of them; see subject.h. */
#include <dlfcn.h>
#include <linux/virtio_net.h>
#include <linux/virtio_vsock.h>
#include <net/ethernet.h>
#include <netinet/if_ether.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/net.h"
#include "devices/virtio-balloon.h"
#include "tests/devices/net-fake.h"
#include "tests/devices/subject.h"

#define HEADER  SUBJECT_AREA
#define DATA    (SUBJECT_AREA + 0x100)
#define STATUS  (SUBJECT_AREA + 0x400)
#define RECEIVE (SUBJECT_AREA + 0x1000)

/* --- disk ------------------------------------------------------------------------------------ */

static void disk_make(struct subject_state *s, const struct cutting *cutting)
{
	harness_blk(&s->h, cutting, SUBJECT_SECTORS, ",id=subject,queues=2");
	s->file = s->h.image;
}

static unsigned int disk_request(struct subject_state *s, struct buffer *chain)
{
	blk_put_header(&s->h, HEADER, VIRTIO_BLK_T_IN, 3);
	mem_fill(&s->h, DATA, 0xee, 512);
	mem_fill(&s->h, STATUS, 0xee, 1);
	chain[0] = (struct buffer){HEADER, 16, false};
	chain[1] = (struct buffer){DATA, 512, true};
	chain[2] = (struct buffer){STATUS, 1, true};
	return 3;
}

static void disk_check(struct subject_state *s)
{
	uint8_t want[512], got[512];

	sector_pattern(want, 3);
	mem_read(&s->h, DATA, got, sizeof(got));
	ck_assert_uint_eq(mem_byte(&s->h, STATUS), VIRTIO_BLK_S_OK);
	ck_assert_mem_eq(got, want, sizeof(got));
}

static void disk_mend(struct subject_state *s)
{
	uint8_t data[512];

	for (unsigned int i = 0; i < SUBJECT_SECTORS; i++) {
		sector_pattern(data, i);
		ck_assert_int_eq(pwrite(s->file, data, 512, (off_t)i * 512), 512);
	}
}

const struct subject subject_disk = {
	.name = "disk",
	.make = disk_make,
	.request = disk_request,
	.used = 513,
	.check = disk_check,
	.mend = disk_mend,
};

/* --- rng ------------------------------------------------------------------------------------- */

#define ENTROPY 64

static void rng_make(struct subject_state *s, const struct cutting *cutting)
{
	harness_new(&s->h, cutting, type_named("rng"), NULL, NULL);
}

static unsigned int rng_request(struct subject_state *s, struct buffer *chain)
{
	mem_fill(&s->h, DATA, 0, ENTROPY);
	chain[0] = (struct buffer){DATA, ENTROPY, true};
	return 1;
}

static void rng_check(struct subject_state *s)
{
	uint8_t zero[ENTROPY] = {0}, got[ENTROPY];

	mem_read(&s->h, DATA, got, sizeof(got));
	ck_assert_mem_ne(got, zero, sizeof(got));
}

const struct subject subject_rng = {
	.name = "rng",
	.make = rng_make,
	.request = rng_request,
	.used = ENTROPY,
	.check = rng_check,
};

/* --- console --------------------------------------------------------------------------------- */

static const char line[] = "the console writes\n";

static void console_make(struct subject_state *s, const struct cutting *cutting)
{
	char args[80];

	s->file = memfd_create("console", MFD_CLOEXEC);
	ck_assert_int_ge(s->file, 0);
	snprintf(args, sizeof(args), "file=/proc/self/fd/%d,port=agent:null", s->file);
	harness_new(&s->h, cutting, type_named("console"), args, NULL);
}

static unsigned int console_request(struct subject_state *s, struct buffer *chain)
{
	mem_write(&s->h, DATA, line, sizeof(line));
	chain[0] = (struct buffer){DATA, sizeof(line), false};
	return 1;
}

static void console_check(struct subject_state *s)
{
	off_t size = lseek(s->file, 0, SEEK_END);
	char got[sizeof(line)];

	ck_assert_int_eq(pread(s->file, got, sizeof(got), size - (off_t)sizeof(got)), sizeof(got));
	ck_assert_mem_eq(got, line, sizeof(got));
}

static void close_file(struct subject_state *s)
{
	close(s->file);
}

const struct subject subject_console = {
	.name = "console",
	.queue = 1,
	.make = console_make,
	.request = console_request,
	.check = console_check,
	.end = close_file,
};

/* --- vsock ----------------------------------------------------------------------------------- */

#define NOBODY 77 /* a port no host program listens at */

static void vsock_make(struct subject_state *s, const struct cutting *cutting)
{
	char args[64];

	signal(SIGPIPE, SIG_IGN);
	strcpy(s->dir, "/tmp/test-subject-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(s->dir));
	snprintf(args, sizeof(args), "%s/v.sock,cid=42", s->dir);
	harness_new(&s->h, cutting, type_named("vsock"), args, NULL);
}

/* A connection to a port nobody serves, and a buffer for the answer. */
static unsigned int vsock_request(struct subject_state *s, struct buffer *chain)
{
	const struct buffer receive = {RECEIVE, 4096, true};
	const struct virtio_vsock_hdr hdr = {
		.src_cid = htole64(42),
		.dst_cid = htole64(2),
		.src_port = htole32(1000),
		.dst_port = htole32(NOBODY),
		.type = htole16(VIRTIO_VSOCK_TYPE_STREAM),
		.op = htole16(VIRTIO_VSOCK_OP_REQUEST),
		.buf_alloc = htole32(4096),
	};

	mem_write(&s->h, HEADER, &hdr, sizeof(hdr));
	driver_add(&s->h, &s->h.queues[0], &receive, 1, 0);
	driver_kick(&s->h, &s->h.queues[0]);
	chain[0] = (struct buffer){HEADER, sizeof(hdr), false};
	return 1;
}

static void vsock_check(struct subject_state *s)
{
	struct virtio_vsock_hdr hdr;
	uint32_t head, len;

	driver_await(&s->h, &s->h.queues[0], &head, &len);
	ck_assert_uint_eq(len, sizeof(hdr));
	mem_read(&s->h, RECEIVE, &hdr, sizeof(hdr));
	ck_assert_uint_eq(le16toh(hdr.op), VIRTIO_VSOCK_OP_RST);
	ck_assert_uint_eq(le32toh(hdr.src_port), NOBODY);
	ck_assert_uint_eq(le32toh(hdr.dst_port), 1000);
}

static void remove_dir(struct subject_state *s)
{
	/* So nothing is left in it. */
	ck_assert_int_eq(rmdir(s->dir), 0);
}

const struct subject subject_vsock = {
	.name = "vsock",
	.queue = 1,
	.make = vsock_make,
	.request = vsock_request,
	.check = vsock_check,
	.end = remove_dir,
};

/* --- net ------------------------------------------------------------------------------------- */

static bool net_available(void)
{
	void *handle = dlopen("libslirp.so.0", RTLD_NOW);

	if (!&net_user_type || !handle)
		return false;
	dlclose(handle);
	return true;
}

static void net_make(struct subject_state *s, const struct cutting *cutting)
{
	harness_new(&s->h, cutting, type_named("net"), "user,mac=52:54:00:12:34:56", NULL);
}

/* Behind the header of virtio-net: who has 10.0.2.2? */
static const struct {
	struct virtio_net_hdr_v1 hdr;
	struct ether_header eth;
	struct ether_arp arp;
} __attribute__((packed)) question = {
	.eth = {.ether_dhost = {255, 255, 255, 255, 255, 255},
		.ether_shost = {0x52, 0x54, 0, 0x12, 0x34, 0x56},
		.ether_type = __builtin_bswap16(ETHERTYPE_ARP)},
	.arp = {.ea_hdr = {.ar_hrd = __builtin_bswap16(ARPHRD_ETHER),
			   .ar_pro = __builtin_bswap16(ETHERTYPE_IP),
			   .ar_hln = ETH_ALEN,
			   .ar_pln = 4,
			   .ar_op = __builtin_bswap16(ARPOP_REQUEST)},
		.arp_sha = {0x52, 0x54, 0, 0x12, 0x34, 0x56},
		.arp_spa = {10, 0, 2, 15},
		.arp_tpa = {10, 0, 2, 2}},
};

static unsigned int net_request(struct subject_state *s, struct buffer *chain)
{
	const struct buffer room = {RECEIVE, 2048, true};

	mem_write(&s->h, DATA, &question, sizeof(question));
	driver_add(&s->h, &s->h.queues[0], &room, 1, 0);
	driver_kick(&s->h, &s->h.queues[0]);
	chain[0] = (struct buffer){DATA, sizeof(question), false};
	return 1;
}

static void net_check(struct subject_state *s)
{
	uint8_t got[sizeof(question)];
	uint32_t head, len;

	driver_await(&s->h, &s->h.queues[0], &head, &len);
	ck_assert_uint_ge(len, sizeof(question));
	mem_read(&s->h, RECEIVE, got, sizeof(got));
	/* An answer, to us. */
	ck_assert_uint_eq(got[sizeof(question.hdr) + sizeof(question.eth) + 7], ARPOP_REPLY);
	ck_assert_mem_eq(got + sizeof(question.hdr), question.eth.ether_shost, ETH_ALEN);
}

const struct subject subject_net = {
	.name = "net",
	.available = net_available,
	.queue = 1,
	.make = net_make,
	.request = net_request,
	.check = net_check,
};

/* --- balloon --------------------------------------------------------------------------------- */

#define GIVEN (SUBJECT_AREA + 0x10000) /* two pages */

static void balloon_make(struct subject_state *s, const struct cutting *cutting)
{
	harness_new(&s->h, cutting, type_named("balloon"), "1M", NULL);
}

static unsigned int balloon_request(struct subject_state *s, struct buffer *chain)
{
	const uint32_t pages[] = {htole32(GIVEN / 4096 + 1), htole32(GIVEN / 4096)};

	mem_fill(&s->h, GIVEN - 1, 0xee, 2 * 4096 + 2);
	mem_write(&s->h, DATA, pages, sizeof(pages));
	chain[0] = (struct buffer){DATA, sizeof(pages), false};
	return 1;
}

/* Whether they have left the host depends on how memory is cut. */
static void balloon_check(struct subject_state *s)
{
	struct virtio_balloon_state state;

	virtio_balloon_state(s->h.dev, &state);
	ck_assert_uint_ge(state.held, 2 * 4096);
	ck_assert_uint_eq(mem_byte(&s->h, GIVEN - 1), 0xee);
	ck_assert_uint_eq(mem_byte(&s->h, GIVEN + 2 * 4096), 0xee);
}

const struct subject subject_balloon = {
	.name = "balloon",
	.features = FEATURE(VIRTIO_BALLOON_F_MUST_TELL_HOST) | FEATURE(VIRTIO_BALLOON_F_STATS_VQ) |
		    FEATURE(VIRTIO_BALLOON_F_FREE_PAGE_HINT) | FEATURE(VIRTIO_BALLOON_F_REPORTING),
	.make = balloon_make,
	.request = balloon_request,
	.check = balloon_check,
};

/* --- net, on a backend that can do everything --------------------------------------------------- */

static void fake_make(struct subject_state *s, const struct cutting *cutting)
{
	harness_new(&s->h, cutting, &net_fake_type, NULL, NULL);
}

/* A frame that goes out, and room for one that comes back. */
static unsigned int fake_request(struct subject_state *s, struct buffer *chain)
{
	uint8_t before[2048];

	while (recv(net_fake.fds[0], before, sizeof(before), MSG_DONTWAIT) > 0)
		continue;
	return net_request(s, chain);
}

static void fake_check(struct subject_state *s)
{
	uint8_t got[sizeof(question)];
	uint32_t head, len;

	ck_assert_int_eq(recv(net_fake.fds[0], got, sizeof(got), MSG_DONTWAIT), sizeof(got));
	ck_assert_mem_eq(got, &question, sizeof(got));
	ck_assert_int_eq(send(net_fake.fds[0], got, sizeof(got), 0), sizeof(got));
	driver_await(&s->h, &s->h.queues[0], &head, &len);
	ck_assert_uint_eq(len, sizeof(question));
	mem_read(&s->h, RECEIVE + sizeof(question.hdr), got, sizeof(question) - sizeof(question.hdr));
	ck_assert_mem_eq(got, &question.eth, sizeof(question) - sizeof(question.hdr));
}

const struct subject subject_net_fake = {
	.name = "net",
	.queue = 1,
	.make = fake_make,
	.request = fake_request,
	.check = fake_check,
};

/* --- all of them ----------------------------------------------------------------------------- */

const struct subject *const subjects[] = {
	&subject_disk, &subject_rng,      &subject_console, &subject_vsock,
	&subject_net,  &subject_net_fake, &subject_balloon, NULL,
};

bool subject_available(const struct subject *subject)
{
	return !subject->available || subject->available();
}

unsigned int subject_count(void)
{
	unsigned int count = 0;

	for (const struct subject *const *s = subjects; *s; s++)
		count += subject_available(*s);
	return count;
}

void subject_new(struct subject_state *s, const struct subject *subject, const struct cutting *cutting)
{
	*s = (struct subject_state){.subject = subject, .file = -1};
	subject->make(s, cutting);
	if (!s->h.running)
		harness_run(&s->h);
}

void subject_free(struct subject_state *s)
{
	harness_free(&s->h);
	if (s->subject->end)
		s->subject->end(s);
}

void subject_start(struct subject_state *s, uint64_t features)
{
	for (unsigned int i = 0; i < HARNESS_QUEUES; i++)
		driver_place(&s->h, i, driver_ring_area(i), 16);
	driver_start(&s->h, features | s->subject->features);
}

void subject_serves(struct subject_state *s)
{
	struct driver_queue *q = subject_queue(s);
	struct buffer chain[SUBJECT_BUFFERS];
	unsigned int count = s->subject->request(s, chain);
	uint16_t added = driver_add(&s->h, q, chain, count, 0);
	uint32_t head, len;

	driver_kick(&s->h, q);
	driver_await(&s->h, q, &head, &len);
	ck_assert_uint_eq(head, added);
	ck_assert_uint_eq(len, s->subject->used);
	s->subject->check(s);
}
