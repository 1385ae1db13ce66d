/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The host sides: an image in memory, FIFOs for a console of two ports, sockets at paths for vsock,
 * and for the network the backend of the tests, which can do everything and reaches nothing. Paths
 * are below one directory of this process, in $TMPDIR or /tmp.
 */
#include "tests/fuzz/device.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/virtio_ids.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "devices/virtio-balloon.h"
#include "tests/devices/net-fake.h"

#define DISK       0x8000
#define GUEST_PORT 1024 /* where this side listens for the guest */
#define CLIENTS    4
#define PATH_BYTES 100

static struct {
	char dir[64];
	int disk;
	int in[2], out[2];    /* the console's FIFOs */
	int listener;         /* for connections the guest makes */
	int clients[CLIENTS]; /* of vsock, either way; -1 */
} host = {.disk = -1};

static const char *below_dir(char *path, const char *name)
{
	snprintf(path, PATH_BYTES, "%s/%s", host.dir, name);
	return path;
}

static void remove_dir(void)
{
	struct dirent *entry;
	DIR *dir = opendir(host.dir);

	while (dir && (entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(host.dir);
}

/* Made here, so that the device leaves them; both ends are held, so that no open() waits. */
static int make_fifo(const char *name)
{
	char path[PATH_BYTES];

	FUZZ_CHECK(!mkfifo(below_dir(path, name), 0600));
	return open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

static int unix_socket(const char *name, bool listens)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s", host.dir, name);
	if ((listens ? bind : connect)(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    (listens && listen(fd, CLIENTS))) {
		close(fd);
		return -1;
	}
	return fd;
}

static void make_host(void)
{
	const char *tmp = getenv("TMPDIR");
	char name[32];

	signal(SIGPIPE, SIG_IGN);
	snprintf(host.dir, sizeof(host.dir), "%s/vmm-fuzz-XXXXXX",
		 tmp && strlen(tmp) < 40 ? tmp : "/tmp");
	FUZZ_CHECK(mkdtemp(host.dir));
	atexit(remove_dir);
	host.disk = memfd_create("disk", MFD_CLOEXEC);
	for (int i = 0; i < 2; i++) {
		snprintf(name, sizeof(name), "port%d.in", i);
		host.in[i] = make_fifo(name);
		snprintf(name, sizeof(name), "port%d.out", i);
		host.out[i] = make_fifo(name);
	}
	snprintf(name, sizeof(name), "vsock_%d", GUEST_PORT);
	host.listener = unix_socket(name, true);
	FUZZ_CHECK(host.listener >= 0);
	for (int i = 0; i < CLIENTS; i++)
		host.clients[i] = -1;
}

struct virtio_device *fuzz_device_new(unsigned int which, struct loop *loop)
{
	static char disk[64], console[4 * PATH_BYTES], vsock[2 * PATH_BYTES];
	static const struct {
		const char *type;
		const char *args[4]; /* one is taken */
	} all[] = {
		{"disk", {disk, disk, disk, disk}},
		{"rng", {NULL, "rate=100", "rate=1M", NULL}},
		{"console", {console, "null", console, console}},
		{"vsock", {vsock, vsock, vsock, vsock}},
		{"net", {"", "", "", ""}},
		{"balloon", {NULL, "16K", "1M", "64K"}},
	};
	struct virtio_device *device = NULL;
	const struct device_type *type;
	unsigned int types = 0;
	struct report report;
	const char *args = NULL;

	if (host.disk < 0)
		make_host();
	FUZZ_CHECK(!ftruncate(host.disk, 0) && !ftruncate(host.disk, DISK));
	snprintf(disk, sizeof(disk), "/proc/self/fd/%d,queues=2", host.disk);
	snprintf(console, sizeof(console), "pipe=%s/port0,port=org.fuzz:pipe=%s/port1", host.dir,
		 host.dir);
	snprintf(vsock, sizeof(vsock), "%s/vsock,cid=3", host.dir);
	while (device_types[types])
		types++;
	type = device_types[which % types];
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (strcmp(all[i].type, type->name) == 0)
			args = all[i].args[which / types % 4];
	}
	if (strcmp(type->name, "net") == 0)
		type = &net_fake_type;
	FUZZ_CHECK(!type->create("--fuzz", args, loop, &device, &report));
	return device;
}

/* --- what happens there ------------------------------------------------------------------------ */

static void disk_event(struct virtio_device *device, struct fuzz_input *input)
{
	(void)device;
	FUZZ_CHECK(!ftruncate(host.disk, (off_t)fuzz_byte(input) * 0x80));
}

static void console_event(struct virtio_device *device, struct fuzz_input *input)
{
	uint8_t bytes[256], how = fuzz_byte(input);
	size_t len = fuzz_byte(input);

	(void)device;
	if (how & 2) {
		while (read(host.out[how & 1], bytes, sizeof(bytes)) > 0)
			continue;
	} else {
		fuzz_bytes(input, bytes, len);
		/* Full is as good. */
		if (write(host.in[how & 1], bytes, len) < 0)
			return;
	}
}

static void net_event(struct virtio_device *device, struct fuzz_input *input)
{
	uint8_t bytes[2048], how = fuzz_byte(input);
	int fd = net_fake.fds[how % NET_FAKE_PAIRS];
	size_t len = fuzz_byte(input);

	(void)device;
	switch (how / 4 % 4) {
	case 0: net_fake_set_link(len & 1); break;
	case 1: net_fake.refuse = len & 1; break;
	case 2:
		while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
			continue;
		break;
	default:
		memset(bytes, 0, sizeof(bytes));
		fuzz_bytes(input, bytes, len);
		if (how & 0x40)
			len += 1000;
		send(fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	}
}

/* A connection to the guest, or one from it, takes a free place. */
static int new_client(bool from_guest, unsigned int port)
{
	char text[32];
	int fd, len;

	if (from_guest)
		return accept4(host.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	fd = unix_socket("vsock", false);
	len = snprintf(text, sizeof(text), "CONNECT %u\n", port);
	send(fd, text, (size_t)len, MSG_NOSIGNAL);
	return fd;
}

static void vsock_event(struct virtio_device *device, struct fuzz_input *input)
{
	uint8_t bytes[256], how = fuzz_byte(input);
	int *client = &host.clients[how % CLIENTS];
	size_t len = fuzz_byte(input);

	(void)device;
	if (*client < 0) {
		*client = new_client(how & 0x80, (unsigned int)len);
		return;
	}
	switch (how / CLIENTS % 4) {
	case 0:
		close(*client);
		*client = -1;
		break;
	case 1: shutdown(*client, how & 0x80 ? SHUT_WR : SHUT_RD); break;
	case 2:
		while (recv(*client, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
			continue;
		break;
	default:
		fuzz_bytes(input, bytes, len);
		send(*client, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	}
}

static void hint_page(void *arg, gm_addr addr, uint64_t len)
{
	(void)arg;
	(void)addr;
	FUZZ_CHECK(len);
}

static void hint_end(void *arg, bool complete)
{
	(void)arg;
	(void)complete;
}

static void balloon_event(struct virtio_device *device, struct fuzz_input *input)
{
	static const struct virtio_balloon_hints hints = {hint_page, hint_end};

	switch (fuzz_byte(input) % 5) {
	case 0: virtio_balloon_set_target(device, fuzz_take(input, 4)); break;
	case 1: virtio_balloon_ask_stats(device); break;
	case 2: virtio_balloon_hint(device, &hints, NULL); break;
	case 3: virtio_balloon_hint_stop(device); break;
	default: virtio_balloon_hint_done(device); break;
	}
}

void fuzz_device_event(struct virtio_device *device, struct fuzz_input *input)
{
	static const struct {
		uint32_t id;
		void (*happens)(struct virtio_device *device, struct fuzz_input *input);
	} events[] = {
		{VIRTIO_ID_BLOCK, disk_event},      {VIRTIO_ID_CONSOLE, console_event},
		{VIRTIO_ID_NET, net_event},         {VIRTIO_ID_VSOCK, vsock_event},
		{VIRTIO_ID_BALLOON, balloon_event},
	};

	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		if (events[i].id == device->ops->device_id)
			events[i].happens(device, input);
	}
}

void fuzz_device_end(void)
{
	uint8_t bytes[4096];
	int fd;

	for (int i = 0; i < CLIENTS; i++) {
		if (host.clients[i] >= 0)
			close(host.clients[i]);
		host.clients[i] = -1;
	}
	while ((fd = accept4(host.listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		close(fd);
	for (int i = 0; i < 2; i++) {
		while (read(host.in[i], bytes, sizeof(bytes)) > 0 ||
		       read(host.out[i], bytes, sizeof(bytes)) > 0)
			continue;
	}
}
