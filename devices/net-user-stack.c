/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The TCP/IP stack of the user-mode network: libslirp, on a thread of its own with poll(2), which
 * is the interface libslirp has. That thread alone runs the library and opens sockets for the guest.
 *
 * The guest's frames arrive on a socket whose other end is the backend's (net-user.c). So its queues
 * are the kernel's, bounded both ways, and a full one loses frames as a wire does; guest memory is
 * copied by system calls, never by the library; and shutting the socket down ends the thread.
 *
 * The library is loaded when the first stack is made: it brings glib with it, whose start-up would
 * cost every monitor more than all of its own.
 */
#include "devices/net-user.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <slirp/libslirp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "devices/confine.h"

#define LIBRARY "libslirp.so.0"
#define PACKAGE "libslirp0"

/* What a socket may hold of frames for the guest; the kernel gives less where wmem_max is smaller. */
#define QUEUE_BYTES (1 << 20)
/* Frames taken from the guest before the host's sockets have their turn. */
#define BATCH 64
/* Sockets of the host that a guest may have: each costs a descriptor and 256 KiB of buffers. */
#define SOCKETS_MAX 512
/* What slirp_pollfds_fill() answers when it waits for nothing but descriptors. */
#define IDLE_MS 1000

/* The thread's, but for what is marked. */
struct net_user_stack {
	Slirp *slirp;
	int fd;             /* our end of the socket; constant */
	pthread_t thread;   /* the maker's */
	const char *option; /* these are the thread's until it has posted */
	const struct net_user_config *config;
	struct report *report;
	sem_t tried;
	int failed;       /* the same, then its maker's */
	uint64_t dropped; /* atomic */
	struct log_limit log;
	int sockets[SOCKETS_MAX]; /* opened for the guest, and its forwards */
	unsigned int socket_count;
	struct pollfd *fds; /* the first is fd */
	unsigned int fd_count, fd_room;
	uint8_t frame[sizeof(struct virtio_net_hdr_v1) + NET_USER_FRAME_MAX];
};

/* The library keeps its clock and the host's name server in globals: one stack at a time is in it. */
const char net_user_library[] = SLIRP_VERSION_STRING;

static pthread_mutex_t library_lock = PTHREAD_MUTEX_INITIALIZER;

static struct {
	void *handle;
	__typeof__(&slirp_new) new;
	__typeof__(&slirp_cleanup) cleanup;
	__typeof__(&slirp_pollfds_fill) pollfds_fill;
	__typeof__(&slirp_pollfds_poll) pollfds_poll;
	__typeof__(&slirp_input) input;
	__typeof__(&slirp_add_hostfwd) add_hostfwd;
} library; /* with library_lock; constant once loaded */

static const struct {
	const char *name;
	void *pointer;
} symbols[] = {
	{"slirp_new", &library.new},
	{"slirp_cleanup", &library.cleanup},
	{"slirp_pollfds_fill", &library.pollfds_fill},
	{"slirp_pollfds_poll", &library.pollfds_poll},
	{"slirp_input", &library.input},
	{"slirp_add_hostfwd", &library.add_hostfwd},
};

/* Load the library, for good: glib cannot be unloaded. */
static int load(const char *option, struct report *report)
{
	void *handle;

	if (library.handle)
		return 0;
	handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		goto fail;
	for (size_t i = 0; i < sizeof(symbols) / sizeof(*symbols); i++) {
		void *address = dlsym(handle, symbols[i].name);

		if (!address)
			goto fail;
		memcpy(symbols[i].pointer, &address, sizeof(address));
	}
	library.handle = handle;
	return 0;

fail:
	report_fail(report, REPORT_HOST,
		    "%s: user-mode networking needs " LIBRARY " (Debian package " PACKAGE "): %s",
		    option, dlerror());
	if (handle)
		dlclose(handle);
	return -1;
}

/* --- what the library asks for ----------------------------------------------------------------- */

static int64_t clock_get_ns(void *opaque)
{
	struct timespec now;

	(void)opaque;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void count_dropped(struct net_user_stack *stack)
{
	__atomic_fetch_add(&stack->dropped, 1, __ATOMIC_RELAXED);
}

/* A frame for the guest. A lost one is no error: the library would write to standard error. */
static ssize_t send_packet(const void *frame, size_t len, void *opaque)
{
	struct virtio_net_hdr_v1 hdr = {0};
	struct net_user_stack *stack = opaque;
	struct iovec iov[] = {
		{.iov_base = &hdr, .iov_len = sizeof(hdr)},
		{.iov_base = (void *)frame, .iov_len = len},
	};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

	if (len > NET_USER_FRAME_MAX || sendmsg(stack->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		count_dropped(stack);
	return (ssize_t)len;
}

static void guest_error(const char *msg, void *opaque)
{
	struct net_user_stack *stack = opaque;

	device_log(&stack->log, "net user", "%s", msg);
}

/* Called for what was accepted from the host, too, but then with -1. */
static void register_socket(int fd, void *opaque)
{
	struct net_user_stack *stack = opaque;

	if (fd >= 0 && stack->socket_count < SOCKETS_MAX)
		stack->sockets[stack->socket_count++] = fd;
}

static void unregister_socket(int fd, void *opaque)
{
	struct net_user_stack *stack = opaque;

	for (unsigned int i = 0; i < stack->socket_count; i++) {
		if (stack->sockets[i] == fd) {
			stack->sockets[i] = stack->sockets[--stack->socket_count];
			return;
		}
	}
}

/* Nobody but the thread itself calls the library, so there is nobody to wake. */
static void notify(void *opaque)
{
	(void)opaque;
}

/* There are no timers: only its IPv6, which is off, has any. */
static const SlirpCb callbacks = {
	.send_packet = send_packet,
	.guest_error = guest_error,
	.clock_get_ns = clock_get_ns,
	.register_poll_fd = register_socket,
	.unregister_poll_fd = unregister_socket,
	.notify = notify,
};

/* --- what it waits for, and frames from the guest ---------------------------------------------- */

static const struct {
	int slirp;
	short poll;
} poll_events[] = {
	{SLIRP_POLL_IN, POLLIN},   {SLIRP_POLL_OUT, POLLOUT}, {SLIRP_POLL_PRI, POLLPRI},
	{SLIRP_POLL_ERR, POLLERR}, {SLIRP_POLL_HUP, POLLHUP},
};

#define POLL_EVENTS (sizeof(poll_events) / sizeof(*poll_events))

/* Returns the descriptor's index; -1, without memory, leaves it to the next turn. */
static int add_poll(int fd, int events, void *opaque)
{
	struct net_user_stack *stack = opaque;
	struct pollfd *pollfd;

	if (stack->fd_count == stack->fd_room) {
		unsigned int room = stack->fd_room ? 2 * stack->fd_room : 16;
		struct pollfd *fds = reallocarray(stack->fds, room, sizeof(*fds));

		if (!fds)
			return -1;
		stack->fds = fds;
		stack->fd_room = room;
	}
	pollfd = &stack->fds[stack->fd_count];
	*pollfd = (struct pollfd){.fd = fd};
	for (size_t i = 0; i < POLL_EVENTS; i++) {
		if (events & poll_events[i].slirp)
			pollfd->events |= poll_events[i].poll;
	}
	return (int)stack->fd_count++;
}

static int get_revents(int index, void *opaque)
{
	const struct net_user_stack *stack = opaque;
	int events = 0;

	for (size_t i = 0; i < POLL_EVENTS; i++) {
		if (stack->fds[index].revents & poll_events[i].poll)
			events |= poll_events[i].slirp;
	}
	return events;
}

/*
 * Whether a socket may be opened for a frame: for all of IPv4 but TCP segments that do not begin a
 * connection. What is too short for its headers says so too, and is of no use to anyone.
 */
static bool may_open_socket(const uint8_t *frame, size_t len)
{
	const uint8_t *ip = frame + sizeof(struct ether_header);
	size_t tcp = sizeof(struct ether_header) + (len > 14 ? (ip[0] & 15) * 4u : 0);

	if (len < sizeof(struct ether_header) || frame[12] != ETHERTYPE_IP >> 8 ||
	    frame[13] != (ETHERTYPE_IP & 0xff))
		return false;
	if (len < tcp + sizeof(struct tcphdr) || tcp < sizeof(struct ether_header) + 20)
		return true;
	/* Of a fragment nobody knows. */
	return ip[9] != IPPROTO_TCP || (ip[6] & 0x3f) || ip[7] || (frame[tcp + 13] & TH_SYN);
}

/* One frame from the guest; what is longer than the wire's, or too much for the host, is lost. */
static void take_frame(struct net_user_stack *stack, const uint8_t *frame, size_t len)
{
	if (len <= NET_USER_FRAME_MAX &&
	    (stack->socket_count < SOCKETS_MAX || !may_open_socket(frame, len)))
		library.input(stack->slirp, frame, (int)len);
	else
		count_dropped(stack);
}

/* Take frames from the guest. False at the end. */
static bool take_frames(struct net_user_stack *stack)
{
	const ssize_t header = sizeof(struct virtio_net_hdr_v1);

	for (unsigned int i = 0; i < BATCH; i++) {
		ssize_t len = recv(stack->fd, stack->frame, sizeof(stack->frame),
				   MSG_DONTWAIT | MSG_TRUNC);

		if (len <= 0)
			return len < 0 && (errno == EAGAIN || errno == EINTR);
		if (len > header)
			take_frame(stack, stack->frame + header, (size_t)(len - header));
	}
	return true;
}

/* --- the library with its forwards ------------------------------------------------------------- */

static struct in_addr host_in(struct in_addr network, uint32_t number)
{
	return (struct in_addr){.s_addr = network.s_addr | htonl(number)};
}

static Slirp *make_slirp(struct net_user_stack *stack, const struct net_user_config *config)
{
	const SlirpConfig slirp_config = {
		.version = 1, /* all that is needed, so that any libslirp 4 will do */
		.restricted = config->restricted,
		.in_enabled = true,
		.vnetwork = config->network,
		.vnetmask = config->netmask,
		.vhost = host_in(config->network, 2),
		.vnameserver = host_in(config->network, 3),
		.vdhcp_start = host_in(config->network, 15),
		.if_mtu = NET_USER_MTU,
		.if_mru = NET_USER_MTU,
	};

	return library.new(&slirp_config, &callbacks, stack);
}

static int add_forward(const char *option, struct net_user_stack *stack,
		       const struct net_user_forward *forward, struct report *report)
{
	char addr[INET_ADDRSTRLEN];

	if (library.add_hostfwd(stack->slirp, forward->udp, forward->host_addr, forward->host_port,
				forward->guest_addr, forward->guest_port) == 0)
		return 0;
	inet_ntop(AF_INET, &forward->host_addr, addr, sizeof(addr));
	/* The address is the user's mistake, all else the state of the host. */
	return report_fail(report, errno == EADDRNOTAVAIL ? REPORT_USER : REPORT_HOST,
			   "%s: hostfwd '%s': cannot take %s port %u of %s: %s", option,
			   forward->text, forward->udp ? "UDP" : "TCP", forward->host_port, addr,
			   strerror(errno));
}

/* The library with its forwards. The lock is held. */
static int set_up(const char *option, struct net_user_stack *stack,
		  const struct net_user_config *config, struct report *report)
{
	stack->slirp = make_slirp(stack, config);
	if (!stack->slirp)
		return report_fail(report, REPORT_HOST,
				   "%s: " LIBRARY " does not accept its configuration", option);
	for (size_t i = 0; i < config->forward_count; i++) {
		if (add_forward(option, stack, &config->forwards[i], report))
			return -1;
	}
	return 0;
}

/* --- the thread -------------------------------------------------------------------------------- */

/*
 * Descriptors of its own, of which only the socket is anyone else's. The library does not mark what
 * it accepts as close-on-exec, so that who closes what came through exec() (the monitor, before the
 * guest runs) would close that, too; and the library later what has got the number since. Where the
 * kernel cannot (before Linux 5.9) they stay shared.
 */
static void keep_only(int fd)
{
#ifdef __SANITIZE_THREAD__
	(void)fd; /* It takes equal numbers for the same descriptor. */
#else
	if (close_range((unsigned int)fd + 1, ~0U, CLOSE_RANGE_UNSHARE) == 0 && fd > STDERR_FILENO + 1)
		close_range(STDERR_FILENO + 1, (unsigned int)fd - 1, 0);
#endif
}

static void serve(struct net_user_stack *stack)
{
	bool running = true;

	while (running) {
		uint32_t wanted = UINT32_MAX;
		int ready, timeout;

		pthread_mutex_lock(&library_lock);
		stack->fd_count = 1;
		stack->fds[0] = (struct pollfd){.fd = stack->fd, .events = POLLIN};
		library.pollfds_fill(stack->slirp, &wanted, add_poll, stack);
		timeout = wanted < IDLE_MS ? (int)wanted : -1;
		pthread_mutex_unlock(&library_lock);

		ready = poll(stack->fds, stack->fd_count, timeout);

		pthread_mutex_lock(&library_lock);
		library.pollfds_poll(stack->slirp, ready < 0, get_revents, stack);
		running = take_frames(stack);
		pthread_mutex_unlock(&library_lock);
	}
}

/* Who makes it waits until it was tried. */
static void *stack_thread(void *arg)
{
	struct net_user_stack *stack = arg;
	int failed;

	keep_only(stack->fd);
	pthread_mutex_lock(&library_lock);
	failed = set_up(stack->option, stack, stack->config, stack->report);
	pthread_mutex_unlock(&library_lock);
	stack->failed = failed;
	sem_post(&stack->tried);
	if (!failed) {
		confine_enter(CONFINE_NET);
		serve(stack);
	}
	pthread_mutex_lock(&library_lock);
	if (stack->slirp)
		library.cleanup(stack->slirp);
	pthread_mutex_unlock(&library_lock);
	return NULL;
}

/* --- making and ending one --------------------------------------------------------------------- */

/* No signal is for this thread: they end system calls of those that wait for them. */
static int start_thread(struct net_user_stack *stack)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&stack->thread, NULL, stack_thread, stack);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err)
		return err;
	pthread_setname_np(stack->thread, "net-user");
	return 0;
}

int net_user_stack_check(const char *option, struct report *report)
{
	int err;

	pthread_mutex_lock(&library_lock);
	err = load(option, report);
	pthread_mutex_unlock(&library_lock);
	return err;
}

/* All but the thread, which does not run. */
static void release(struct net_user_stack *stack)
{
	if (stack->fd >= 0)
		close(stack->fd);
	sem_destroy(&stack->tried);
	free(stack->fds);
	free(stack);
}

int net_user_stack_new(const char *option, const struct net_user_config *config,
		       struct net_user_stack **out, int *fd, struct report *report)
{
	struct net_user_stack *stack = calloc(1, sizeof(*stack));
	int ends[2] = {-1, -1}, size = QUEUE_BYTES, err;

	if (!stack)
		return report_fail(report, REPORT_HOST, "%s: out of memory", option);
	*stack = (struct net_user_stack){
		.fd = -1, .option = option, .config = config, .report = report};
	sem_init(&stack->tried, 0, 0);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends)) {
		report_fail(report, REPORT_HOST, "%s: cannot make a socket: %s", option,
			    strerror(errno));
		goto fail;
	}
	stack->fd = ends[0];
	setsockopt(stack->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (add_poll(stack->fd, SLIRP_POLL_IN, stack) < 0) {
		report_fail(report, REPORT_HOST, "%s: out of memory", option);
		goto fail;
	}
	if (net_user_stack_check(option, report))
		goto fail;
	err = start_thread(stack);
	if (err) {
		report_fail(report, REPORT_HOST, "%s: cannot start a thread: %s", option,
			    strerror(err));
		goto fail;
	}
	while (sem_wait(&stack->tried) && errno == EINTR)
		continue;
	if (stack->failed) {
		pthread_join(stack->thread, NULL);
		goto fail;
	}
	*out = stack;
	*fd = ends[1];
	return 0;

fail:
	release(stack);
	if (ends[1] >= 0)
		close(ends[1]);
	return -1;
}

void net_user_stack_free(struct net_user_stack *stack)
{
	/* The end of the frames, behind those that wait. */
	shutdown(stack->fd, SHUT_RDWR);
	pthread_join(stack->thread, NULL);
	release(stack);
}

uint64_t net_user_stack_dropped(const struct net_user_stack *stack)
{
	return __atomic_load_n(&stack->dropped, __ATOMIC_RELAXED);
}
