/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What a byte costs through the socket and network devices, beside the least a program can do.
 *
 *	build/bench-net [vsock|tap]	prints "name<TAB>MB/s<TAB>CPU ns per KiB"
 *
 * vsock: a guest streams to a host program, beside the same program on a UNIX socket. tap: TCP from
 * one network namespace to another, through two TAP interfaces and what is between them: two
 *network devices whose driver hands frames from one to the other, or a loop of read(2) and
 *write(2). CPU is that of what is in the middle, or of the sender where nothing is. The driver is a
 *few lines on plain memory and runs on the loop's thread as the devices do.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_vsock.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "devices/devices.h"
#include "devices/virtio-mmio.h"

#define SECONDS    2
#define CHUNK      65536 /* of what the ends write and read */
#define QUEUE_SIZE 64
#define BUFFERS    32      /* of a direction */
#define ROOM       0x11000 /* of a buffer: the longest frame and its header */
#define RING_AREA  0x4000  /* of a queue */
#define RINGS_END  0x40000
#define RAM        (RINGS_END + 4 * BUFFERS * (uint64_t)ROOM)
#define CID        42
#define PORT       52

static uint8_t *ram;
static struct gm_cell *cell;
static struct loop *loop;
static struct report report;

static void check(bool good, const char *what)
{
	if (!good) {
		fprintf(stderr, "bench-net: %s\n", *report.text ? report.text : what);
		exit(EXIT_FAILURE);
	}
}

static double now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* --- the driver ------------------------------------------------------------------------------ */

struct ring {
	struct virtio_mmio *mmio;
	uint32_t index;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t used_idx;
};

static void reg_write(struct virtio_mmio *mmio, uint64_t offset, uint32_t value)
{
	virtio_mmio_bus_ops.write(mmio, offset, &value, sizeof(value));
}

static void ring_init(struct ring *ring, struct virtio_mmio *mmio, uint32_t index, uint64_t at)
{
	*ring = (struct ring){mmio,
			      index,
			      (void *)(ram + at),
			      (void *)(ram + at + 0x1000),
			      (void *)(ram + at + 0x2000),
			      0};
	memset(ram + at, 0, RING_AREA);
	reg_write(mmio, VIRTIO_MMIO_QUEUE_SEL, index);
	reg_write(mmio, VIRTIO_MMIO_QUEUE_NUM, QUEUE_SIZE);
	reg_write(mmio, VIRTIO_MMIO_QUEUE_DESC_LOW, (uint32_t)at);
	reg_write(mmio, VIRTIO_MMIO_QUEUE_AVAIL_LOW, (uint32_t)at + 0x1000);
	reg_write(mmio, VIRTIO_MMIO_QUEUE_USED_LOW, (uint32_t)at + 0x2000);
	reg_write(mmio, VIRTIO_MMIO_QUEUE_READY, 1);
}

static void ring_add(struct ring *ring, uint16_t id, uint64_t addr, uint32_t len, uint16_t flags)
{
	uint16_t idx = ring->avail->idx;

	ring->desc[id] = (struct vring_desc){.addr = addr, .len = len, .flags = flags};
	ring->avail->ring[idx % QUEUE_SIZE] = id;
	__atomic_store_n(&ring->avail->idx, (uint16_t)(idx + 1), __ATOMIC_RELEASE);
}

static void ring_kick(struct ring *ring)
{
	reg_write(ring->mmio, VIRTIO_MMIO_QUEUE_NOTIFY, ring->index);
}

static bool ring_used(struct ring *ring, uint32_t *id, uint32_t *len)
{
	const struct vring_used_elem *elem = &ring->used->ring[ring->used_idx % QUEUE_SIZE];

	if (__atomic_load_n(&ring->used->idx, __ATOMIC_ACQUIRE) == ring->used_idx)
		return false;
	*id = elem->id;
	*len = elem->len;
	ring->used_idx++;
	return true;
}

/* An interrupt: an eventfd of the loop, as KVM's irqfd would be. */
struct interrupt {
	struct irq_line line;
	int fd;
};

static void pulse(struct irq_line *line)
{
	eventfd_write(((struct interrupt *)line)->fd, 1);
}

static struct virtio_mmio *make_device(const char *name, const char *args, struct interrupt *irq,
				       uint64_t features)
{
	const struct device_type *const *type = device_types;
	struct virtio_device *dev;
	struct virtio_mmio *mmio;

	while (*type && strcmp((*type)->name, name) != 0)
		type++;
	irq->line.pulse = pulse;
	irq->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	check((*type)->create("bench", args, loop, &dev, &report) == 0, name);
	check(virtio_mmio_new(dev, cell, loop, &irq->line, NULL, &mmio, &report) == 0, name);
	reg_write(mmio, VIRTIO_MMIO_STATUS, 3);
	for (uint32_t i = 0; i < 2; i++) {
		reg_write(mmio, VIRTIO_MMIO_DRIVER_FEATURES_SEL, i);
		reg_write(mmio, VIRTIO_MMIO_DRIVER_FEATURES, i ? 1 : (uint32_t)features);
	}
	reg_write(mmio, VIRTIO_MMIO_STATUS, 11);
	return mmio;
}

/* --- the ends -------------------------------------------------------------------------------- */

/* A thread that writes or reads until the other end is gone, or time is up. */
struct end {
	pthread_t thread;
	int fd;
	struct sockaddr_in to; /* where a sender connects first; port 0: it is connected */
	bool accepts;          /* a reader's fd listens */
	uint64_t bytes;
	double seconds, cpu;
};

static void *send_all(void *arg)
{
	static uint8_t data[CHUNK];
	struct end *end = arg;
	double start;
	ssize_t n;

	if (end->to.sin_port)
		check(connect(end->fd, (struct sockaddr *)&end->to, sizeof(end->to)) == 0,
		      "connect");
	start = now(CLOCK_MONOTONIC);
	while (now(CLOCK_MONOTONIC) - start < SECONDS &&
	       (n = send(end->fd, data, sizeof(data), MSG_NOSIGNAL)) > 0)
		end->bytes += (uint64_t)n;
	end->seconds = now(CLOCK_MONOTONIC) - start;
	end->cpu = now(CLOCK_THREAD_CPUTIME_ID);
	shutdown(end->fd, SHUT_WR);
	return NULL;
}

static void *read_all(void *arg)
{
	static uint8_t data[CHUNK];
	struct end *end = arg;
	int fd = end->accepts ? accept(end->fd, NULL, NULL) : end->fd;
	double start = now(CLOCK_MONOTONIC);
	ssize_t n;

	while ((n = read(fd, data, sizeof(data))) > 0)
		end->bytes += (uint64_t)n;
	end->seconds = now(CLOCK_MONOTONIC) - start;
	/* What is in the middle has nothing to do any more. */
	loop_stop(loop, 0);
	close(fd);
	return NULL;
}

static void start(struct end *end, void *(*run)(void *arg))
{
	check(pthread_create(&end->thread, NULL, run, end) == 0, "pthread_create");
}

static void print(const char *name, const struct end *reader, double cpu)
{
	printf("%s\t%.0f\t%.0f\n", name, (double)reader->bytes / reader->seconds / 1e6,
	       cpu * 1e9 / ((double)reader->bytes / 1024));
}

/* --- vsock ----------------------------------------------------------------------------------- */

static void bench_unix(void)
{
	struct end sender = {0}, reader = {0};
	int fds[2];

	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0, "socketpair");
	sender.fd = fds[0];
	reader.fd = fds[1];
	start(&reader, read_all);
	start(&sender, send_all);
	pthread_join(sender.thread, NULL);
	pthread_join(reader.thread, NULL);
	close(fds[0]);
	print("unix_socket", &reader, sender.cpu);
}

#define PACKET 16384 /* data of one */

static struct {
	struct interrupt irq;
	struct ring rx, tx;
	unsigned int free; /* transmit buffers, used in turn */
	uint32_t sent, taken, allocated;
	bool open, ended;
	double until;
} guest;

static void vsock_packet(uint16_t op, uint32_t len)
{
	static uint16_t next;
	const uint16_t id = next++ % BUFFERS;
	const uint64_t at = RINGS_END + (uint64_t)ROOM * (BUFFERS + id);
	const struct virtio_vsock_hdr hdr = {
		.src_cid = CID,
		.dst_cid = 2,
		.src_port = 1000,
		.dst_port = PORT,
		.len = len,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = op,
		.flags = op == VIRTIO_VSOCK_OP_SHUTDOWN ? 3 : 0,
		.buf_alloc = 1 << 20,
	};

	memcpy(ram + at, &hdr, sizeof(hdr));
	ring_add(&guest.tx, id, at, (uint32_t)sizeof(hdr) + len, 0);
	guest.free--;
	guest.sent += len;
}

/* Take what came, then send as far as there are credit and buffers. */
static void vsock_drive(void *arg, uint32_t events)
{
	struct virtio_vsock_hdr hdr;
	eventfd_t count;
	uint32_t id, len;

	(void)arg;
	(void)events;
	eventfd_read(guest.irq.fd, &count);
	while (ring_used(&guest.rx, &id, &len)) {
		const uint64_t at = RINGS_END + (uint64_t)ROOM * id;

		memcpy(&hdr, ram + at, sizeof(hdr));
		guest.taken = hdr.fwd_cnt;
		guest.allocated = hdr.buf_alloc;
		guest.open |= hdr.op == VIRTIO_VSOCK_OP_RESPONSE;
		ring_add(&guest.rx, (uint16_t)id, at, ROOM, VRING_DESC_F_WRITE);
	}
	ring_kick(&guest.rx);
	for (bool more = guest.open; more;) {
		while (ring_used(&guest.tx, &id, &len))
			guest.free++;
		more = false;
		while (!guest.ended && guest.free > 1 &&
		       guest.allocated - (guest.sent - guest.taken) >= PACKET) {
			guest.ended = now(CLOCK_MONOTONIC) > guest.until;
			vsock_packet(guest.ended ? VIRTIO_VSOCK_OP_SHUTDOWN : VIRTIO_VSOCK_OP_RW,
				     guest.ended ? 0 : PACKET);
			more = true;
		}
		if (more)
			ring_kick(&guest.tx);
	}
}

static void bench_vsock(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char dir[] = "/tmp/bench-net-XXXXXX", args[64];
	struct end reader = {.accepts = true};
	struct loop_watch *watch;
	struct virtio_mmio *mmio;
	double cpu;

	check(mkdtemp(dir) != NULL, "mkdtemp");
	snprintf(args, sizeof(args), "%s/v,cid=%u", dir, CID);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/v_%u", dir, PORT);
	reader.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	check(!bind(reader.fd, (struct sockaddr *)&addr, sizeof(addr)) && !listen(reader.fd, 1), dir);
	mmio = make_device("vsock", args, &guest.irq, 0);
	ring_init(&guest.rx, mmio, 0, 0);
	ring_init(&guest.tx, mmio, 1, RING_AREA);
	guest.tx.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	reg_write(mmio, VIRTIO_MMIO_STATUS, 15);
	watch = loop_add(loop, guest.irq.fd, EPOLLIN, vsock_drive, NULL);
	for (uint16_t i = 0; i < BUFFERS; i++)
		ring_add(&guest.rx, i, RINGS_END + (uint64_t)ROOM * i, ROOM, VRING_DESC_F_WRITE);
	guest.free = BUFFERS;
	guest.until = now(CLOCK_MONOTONIC) + SECONDS;
	vsock_packet(VIRTIO_VSOCK_OP_REQUEST, 0);
	ring_kick(&guest.tx);
	start(&reader, read_all);
	cpu = now(CLOCK_THREAD_CPUTIME_ID);
	loop_run(loop);
	cpu = now(CLOCK_THREAD_CPUTIME_ID) - cpu;
	pthread_join(reader.thread, NULL);
	print("vsock", &reader, cpu);
	loop_remove(watch);
	virtio_mmio_free(mmio);
	unlink(addr.sun_path);
	close(reader.fd);
	rmdir(dir);
}

/* --- tap ------------------------------------------------------------------------------------- */

#define TCP_PORT 5201

/* A namespace with an interface that has 10.0.9.@number; its TAP descriptor, and a socket there. */
static void make_side(unsigned int number, int *tap, int *sock)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(0x0a000900 + number)};
	const unsigned int offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	int size = sizeof(struct virtio_net_hdr_v1);

	check(unshare(CLONE_NEWNET) == 0, "network namespaces may not be made here");
	*tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	strcpy(ifr.ifr_name, "bench0");
	check(*tap >= 0 && ioctl(*tap, TUNSETIFF, &ifr) == 0 &&
		      ioctl(*tap, TUNSETVNETHDRSZ, &size) == 0 &&
		      ioctl(*tap, TUNSETOFFLOAD, (unsigned long)offloads) == 0,
	      "no TAP interface");
	*sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	memcpy(&ifr.ifr_addr, &addr, sizeof(addr));
	check(ioctl(*sock, SIOCSIFADDR, &ifr) == 0, "SIOCSIFADDR");
	ifr.ifr_flags = IFF_UP;
	check(ioctl(*sock, SIOCSIFFLAGS, &ifr) == 0, "SIOCSIFFLAGS");
}

/* The loop of system calls. */
static void copy_frames(const int taps[2])
{
	static uint8_t frame[ROOM];
	struct pollfd fds[2] = {{taps[0], POLLIN, 0}, {taps[1], POLLIN, 0}};
	double until = now(CLOCK_MONOTONIC) + SECONDS + 1;

	while (now(CLOCK_MONOTONIC) < until && poll(fds, 2, 100) >= 0) {
		for (unsigned int i = 0; i < 2; i++) {
			ssize_t n;

			/* Of what is checked already the other side need not know. */
			while ((n = read(taps[i], frame, sizeof(frame))) > 0) {
				frame[0] &= VIRTIO_NET_HDR_F_NEEDS_CSUM;
				if (write(taps[!i], frame, (size_t)n) < 0)
					break;
			}
		}
	}
}

static struct {
	struct interrupt irq;
	struct virtio_mmio *mmio;
	struct ring rx, tx;
} ports[2];

/* Hand frames that came in on one device to the other, in the buffers they are in. */
static bool hand_over(unsigned int from)
{
	struct ring *rx = &ports[from].rx, *tx = &ports[!from].tx;
	unsigned int frames = 0, buffers = 0;
	uint32_t id, len;

	while (ring_used(rx, &id, &len)) {
		const uint64_t at = RINGS_END + (uint64_t)ROOM * (from * BUFFERS + id);

		ram[at] &= VIRTIO_NET_HDR_F_NEEDS_CSUM;
		ring_add(tx, (uint16_t)id, at, len, 0);
		frames++;
	}
	if (frames)
		ring_kick(tx);
	while (ring_used(tx, &id, &len)) {
		ring_add(rx, (uint16_t)id, RINGS_END + (uint64_t)ROOM * (from * BUFFERS + id), ROOM,
			 VRING_DESC_F_WRITE);
		buffers++;
	}
	if (buffers)
		ring_kick(rx);
	return frames;
}

static void net_drive(void *arg, uint32_t events)
{
	const unsigned int from = (unsigned int)(uintptr_t)arg;
	eventfd_t count;

	(void)events;
	eventfd_read(ports[from].irq.fd, &count);
	while (hand_over(from))
		continue;
}

static void forward_frames(const int taps[2])
{
	const uint64_t features = 1U << VIRTIO_NET_F_CSUM | 1U << VIRTIO_NET_F_GUEST_CSUM |
				  1U << VIRTIO_NET_F_GUEST_TSO4 | 1U << VIRTIO_NET_F_GUEST_TSO6 |
				  1U << VIRTIO_NET_F_HOST_TSO4 | 1U << VIRTIO_NET_F_HOST_TSO6;
	struct loop_watch *watches[2];
	char args[32];

	for (unsigned int i = 0; i < 2; i++) {
		snprintf(args, sizeof(args), "tap,fd=%d", taps[i]);
		ports[i].mmio = make_device("net", args, &ports[i].irq, features);
		ring_init(&ports[i].rx, ports[i].mmio, 0, 2 * i * RING_AREA);
		ring_init(&ports[i].tx, ports[i].mmio, 1, (2 * i + 1) * RING_AREA);
		ports[i].tx.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
		for (uint16_t id = 0; id < BUFFERS; id++)
			ring_add(&ports[i].rx, id, RINGS_END + (uint64_t)ROOM * (i * BUFFERS + id),
				 ROOM, VRING_DESC_F_WRITE);
		watches[i] =
			loop_add(loop, ports[i].irq.fd, EPOLLIN, net_drive, (void *)(uintptr_t)i);
		reg_write(ports[i].mmio, VIRTIO_MMIO_STATUS, 15);
	}
	loop_run(loop);
	for (unsigned int i = 0; i < 2; i++) {
		loop_remove(watches[i]);
		virtio_mmio_free(ports[i].mmio);
	}
}

static void bench_tap(const char *name, void (*middle)(const int taps[2]))
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(TCP_PORT)};
	struct end sender = {.to = any}, reader = {.accepts = true};
	int taps[2];
	double cpu;

	make_side(1, &taps[0], &reader.fd);
	check(!bind(reader.fd, (struct sockaddr *)&any, sizeof(any)) && !listen(reader.fd, 1), name);
	make_side(2, &taps[1], &sender.fd);
	sender.to.sin_addr.s_addr = htonl(0x0a000901);
	start(&reader, read_all);
	start(&sender, send_all);
	cpu = now(CLOCK_THREAD_CPUTIME_ID);
	middle(taps);
	cpu = now(CLOCK_THREAD_CPUTIME_ID) - cpu;
	pthread_join(sender.thread, NULL);
	pthread_join(reader.thread, NULL);
	print(name, &reader, cpu);
	close(sender.fd);
	close(reader.fd);
	close(taps[0]);
	close(taps[1]);
}

static void bench_copy(void)
{
	bench_tap("tap_copy", copy_frames);
}

static void bench_net(void)
{
	bench_tap("net_tap", forward_frames);
}

/* --- all of them ------------------------------------------------------------------------------ */

static const struct {
	const char *group;
	void (*run)(void);
} benches[] = {
	{"vsock", bench_unix},
	{"vsock", bench_vsock},
	{"tap", bench_copy},
	{"tap", bench_net},
};

int main(int argc, char **argv)
{
	struct gm_region_config config = {.size = RAM, .backing = GM_BACKING_FOREIGN};
	struct gm_memory *memory;

	signal(SIGPIPE, SIG_IGN);
	ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(ram != MAP_FAILED, "mmap");
	config.host = ram;
	check(!gm_memory_from_configs(&config, 1, &memory, NULL) && !gm_cell_new(memory, &cell),
	      "memory");
	for (size_t i = 0; i < sizeof(benches) / sizeof(*benches); i++) {
		if (argc > 1 && strcmp(argv[1], benches[i].group) != 0)
			continue;
		loop = loop_new();
		check(loop != NULL, "loop");
		benches[i].run();
		loop_free(loop);
	}
	gm_cell_free(cell);
	gm_memory_put(memory);
	return EXIT_SUCCESS;
}
