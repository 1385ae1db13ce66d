/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The user-mode network backend: a network of one guest that needs no privileges, behind a TCP/IP
 * stack in this process. Here are the operations of the backend, which are those of a socket; the
 * stack at its other end is net-user-stack.c's.
 */
#include "devices/net-user.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/net.h"

struct net_user {
	struct net_backend backend;
	struct net_user_stack *stack;
	int fd;     /* the guest's end of the socket */
	int out_fd; /* a duplicate: epoll takes a descriptor once */
	struct loop_watch *in_watch;
	struct loop_watch *out_watch; /* for one event, after a send() that found no room */
	struct net_handler handler;
	uint64_t too_long; /* atomic: frames that did not fit into what receive() was given */
};

/* --- operations ------------------------------------------------------------------------------ */

static void in_ready(void *arg, uint32_t events)
{
	const struct net_handler *handler = &((struct net_user *)arg)->handler;

	if (events & EPOLLIN)
		handler->readable(handler->arg, 0);
}

static void out_ready(void *arg, uint32_t events)
{
	const struct net_handler *handler = &((struct net_user *)arg)->handler;

	if (events & EPOLLOUT)
		handler->writable(handler->arg, 0);
}

static void user_set_handler(struct net_backend *backend, const struct net_handler *handler)
{
	((struct net_user *)backend)->handler = *handler;
}

static ssize_t user_send(struct net_backend *backend, unsigned int pair, const struct iovec *iov,
			 unsigned int count)
{
	struct net_user *user = (struct net_user *)backend;
	const struct msghdr msg = {.msg_iov = (struct iovec *)iov, .msg_iovlen = count};
	ssize_t len = sendmsg(user->fd, &msg, MSG_NOSIGNAL);

	(void)pair;
	/* Should that fail, its error stands: a frame is lost instead of never sent. */
	if (len < 0 && errno == EAGAIN && !loop_modify(user->out_watch, EPOLLOUT | EPOLLONESHOT))
		errno = EAGAIN;
	return len;
}

static ssize_t user_receive(struct net_backend *backend, unsigned int pair, const struct iovec *iov,
			    unsigned int count)
{
	struct net_user *user = (struct net_user *)backend;
	struct msghdr msg = {.msg_iov = (struct iovec *)iov, .msg_iovlen = count};
	ssize_t len = recvmsg(user->fd, &msg, 0);

	(void)pair;
	if (len >= 0 && (msg.msg_flags & MSG_TRUNC)) {
		__atomic_fetch_add(&user->too_long, 1, __ATOMIC_RELAXED);
		errno = EMSGSIZE;
		return -1;
	}
	return len;
}

static void user_want(struct net_backend *backend, unsigned int pair, bool readable)
{
	(void)pair;
	/* What does not change cannot fail: the descriptor is watched. */
	loop_modify(((struct net_user *)backend)->in_watch, readable ? EPOLLIN : 0);
}

static uint64_t user_dropped(struct net_backend *backend)
{
	const struct net_user *user = (struct net_user *)backend;

	return net_user_stack_dropped(user->stack) +
	       __atomic_load_n(&user->too_long, __ATOMIC_RELAXED);
}

static void user_close(struct net_backend *backend)
{
	struct net_user *user = (struct net_user *)backend;

	loop_remove(user->in_watch);
	loop_remove(user->out_watch);
	if (user->stack)
		net_user_stack_free(user->stack);
	if (user->fd >= 0)
		close(user->fd);
	if (user->out_fd >= 0)
		close(user->out_fd);
	free(user);
}

static const struct net_backend_ops user_ops = {
	.close = user_close,
	.set_handler = user_set_handler,
	.send = user_send,
	.receive = user_receive,
	.want = user_want,
	.dropped = user_dropped,
};

/* --- opening --------------------------------------------------------------------------------- */

static int start(const char *option, const struct net_user_config *config, struct loop *loop,
		 struct net_backend **out, struct report *report)
{
	struct net_user *user = calloc(1, sizeof(*user));

	if (!user)
		return report_fail(report, REPORT_HOST, "%s: out of memory", option);
	user->backend = (struct net_backend){
		.ops = &user_ops,
		.max_pairs = 1,
		.mtu = NET_USER_MTU,
		.link_up = true,
	};
	user->fd = -1;
	user->out_fd = -1;
	if (net_user_stack_new(option, config, &user->stack, &user->fd, report))
		goto fail;
	user->out_fd = fcntl(user->fd, F_DUPFD_CLOEXEC, 0);
	if (user->out_fd >= 0)
		user->in_watch = loop_add(loop, user->fd, 0, in_ready, user);
	if (user->in_watch)
		user->out_watch = loop_add(loop, user->out_fd, 0, out_ready, user);
	if (user->out_watch) {
		*out = &user->backend;
		return 0;
	}
	report_fail(report, REPORT_HOST, "%s: cannot watch a socket: %s", option, strerror(errno));
fail:
	user_close(&user->backend);
	return -1;
}

/* Without @out it is only checked. */
static int take(const char *option, char *words, struct loop *loop, struct net_backend **out,
		struct report *report)
{
	struct net_user_config config = {
		.network.s_addr = htonl(0x0a000200),
		.netmask.s_addr = htonl(0xffffff00),
	};
	const char *word;
	int err = 0;

	while (!err && (word = strsep(&words, ",")))
		err = net_user_take_word(option, word, &config, report);
	if (!err)
		err = net_user_check(option, &config, report);
	if (!err)
		err = out ? start(option, &config, loop, out, report)
			  : net_user_stack_check(option, report);
	free(config.forwards);
	return err;
}

static int user_open(const char *option, char *words, struct loop *loop, struct net_backend **out,
		     struct report *report)
{
	return take(option, words, loop, out, report);
}

static int user_check(const char *option, char *words, struct report *report)
{
	return take(option, words, NULL, NULL, report);
}

const struct net_backend_type net_user_type = {
	.name = "user",
	.args = "[hostfwd=tcp|udp:[ADDR]:PORT-[ADDR]:PORT]...[,net=ADDR/BITS][,restrict=on|off]",
	.open = user_open,
	.check = user_check,
};
