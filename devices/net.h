/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A network backend: where a network device's frames go and come from. virtio-net.c is the device;
 * a backend knows neither queues nor guest memory, only frames in pieces.
 *
 * A frame has a struct virtio_net_hdr_v1 in front, both ways, as VIRTIO_F_VERSION_1 has it: for the
 * backend's features it says what is still to be done with the frame, otherwise it is zeros.
 *
 * Everything is called on the loop's thread or under the device's lock, one call at a time for one
 * backend, but for what says otherwise.
 */
#ifndef DEVICES_NET_H
#define DEVICES_NET_H

#include <net/ethernet.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "devices/loop.h"
#include "devices/near.h"
#include "devices/report.h"

struct net_backend;
struct virtio_device;

/* Of all backends and of the device. */
extern const struct device_word net_words[];

/* No frame is longer, to be segmented or not: an IP packet of any length behind a VLAN tag. */
#define NET_FRAME_MAX (sizeof(struct ether_header) + 4 + 65535)
/* Pairs of queues, a receive and a transmit queue each. */
#define NET_PAIRS_MAX 8
#define NET_MTU_MIN   68

/*
 * Who is told what changes; called on the loop's thread, never from inside an operation, so that a
 * handler may take the lock under which it calls these. All are to be there.
 */
struct net_handler {
	void (*readable)(void *arg, unsigned int pair); /* receive() may find a frame */
	void (*writable)(void *arg, unsigned int pair); /* once after send() was EAGAIN */
	void (*link)(void *arg, bool up);               /* link_up changed */
	void *arg;
};

struct net_backend_ops {
	/* Nothing is called afterwards. The loop's thread, or it does not run. */
	void (*close)(struct net_backend *backend);
	/* Once, before all others. Until want() nothing is readable. */
	void (*set_handler)(struct net_backend *backend, const struct net_handler *handler);
	/*
	 * Send a frame on pair @pair. The bytes taken, header included: all; or -1 and errno.
	 * EAGAIN: writable() will say when to try again. Other errors: the frame is lost.
	 */
	ssize_t (*send)(struct net_backend *backend, unsigned int pair, const struct iovec *iov,
			unsigned int count);
	/*
	 * Receive a frame. Its bytes, header included, or -1 and errno. EAGAIN: there is none.
	 * Other errors: one is lost. num_buffers is left to the device.
	 */
	ssize_t (*receive)(struct net_backend *backend, unsigned int pair, const struct iovec *iov,
			   unsigned int count);
	/* Whether readable() is called: not while the guest has no buffers. */
	void (*want)(struct net_backend *backend, unsigned int pair, bool readable);
	/*
	 * Frames that are received may need these VIRTIO_NET_F_GUEST_ of its features (NULL: it has
	 * none); before the first call, none. 0, or -1 and errno.
	 */
	int (*set_offload)(struct net_backend *backend, uint64_t features);
	/*
	 * The driver uses the first @count pairs (NULL: there is one); before the first call, one.
	 * 0, or -1 and errno.
	 */
	int (*set_pairs)(struct net_backend *backend, unsigned int count);
	/* Frames lost in the backend since it was opened; NULL: it cannot say. Any thread. */
	uint64_t (*dropped)(struct net_backend *backend);
};

/* Embed it as the first member. Set by open(), constant but for link_up. */
struct net_backend {
	const struct net_backend_ops *ops;
	uint64_t features;      /* VIRTIO_NET_F_: checksums and segmentation it can do */
	unsigned int max_pairs; /* 1 to NET_PAIRS_MAX */
	uint16_t mtu;           /* 0: it does not know */
	uint32_t speed;         /* Mbit/s; 0: it does not know */
	bool link_up;           /* on the loop's thread, before link() is called */
};

/* A type of backend, "tap" of "--net tap,...". */
struct net_backend_type {
	const char *name;
	const char *args; /* the words it takes, for help: "ifname=NAME" */
	/*
	 * @words: what is behind the name but words of the device ("mac=..."), separated by commas;
	 * NULL: nothing. They are cut. @option ("--net") is for messages. 0, or -1 (@report), and
	 * then nothing is opened or changed.
	 */
	int (*open)(const char *option, char *words, struct loop *loop, struct net_backend **out,
		    struct report *report);
	/* Whether it would, as far as can be told without anything that others would see. */
	int (*check)(const char *option, char *words, struct report *report);
};

/* What an argument of --net says whatever its backend is. */
struct net_options {
	const char *backend; /* its name, constant */
	bool has_mac;
	uint8_t mac[ETH_ALEN];
	uint16_t mtu; /* 0: the backend's */
};

/* Whether an address can be a device's: not several devices', not none's. */
bool net_is_device_mac(const uint8_t *mac);

/* Open "NAME[,WORD...]". The backend is the caller's to close. 0 or -1 (@report). */
int net_open(const char *option, const char *args, struct loop *loop, struct net_options *options,
	     struct net_backend **out, struct report *report);

/* Whether it could be opened. 0 or -1 (@report). */
int net_try(const char *option, const char *args, struct report *report);

/*
 * The device on a backend, which is the device's to close from here on, and closed if this fails.
 * 0 or -1 (@report).
 */
int net_device_new(const char *option, const struct net_options *options,
		   struct net_backend *backend, struct virtio_device **out, struct report *report);

extern const struct net_backend_type net_tap_type;
/* No cable (net-frames.c); the operations are also those of a device whose cable is pulled. */
extern const struct net_backend_type net_none_type;
extern const struct net_backend_ops net_none_ops;
/* User-mode networking, where it was built in; it needs a library that is loaded when asked for. */
extern const struct net_backend_type net_user_type __attribute__((weak));
/* The version of the library's header. */
extern const char net_user_library[] __attribute__((weak));

#endif
