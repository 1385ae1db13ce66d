/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Sending and receiving a memory: a header, the table, then the descriptors in batches, since one
 * message takes 253 of them. Each batch is a message of one word, how many it carries.
 */
#include "guestmem/share.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guestmem/internal.h"

#define SHARE_MAGIC 0x316d656d74736567ULL /* "gestmem1" */
#define BATCH_MAX   253                   /* SCM_MAX_FD of the kernel */

struct share_header {
	uint64_t magic;
	uint32_t regions;
	uint32_t files;
};

struct share_region {
	uint64_t start;
	uint64_t size;
	uint64_t file_offset;
	uint32_t file; /* index of its descriptor */
	uint32_t read_only;
};

/* What makes two descriptors the same file for a receiver. */
struct file_key {
	dev_t dev;
	ino_t ino;
	int mode; /* O_ACCMODE */
	uint32_t region;
};

union control {
	struct cmsghdr align;
	char space[CMSG_SPACE(BATCH_MAX * sizeof(int))];
};

static int compare_file(const struct file_key *a, const struct file_key *b)
{
	if (a->dev != b->dev)
		return a->dev < b->dev ? -1 : 1;
	if (a->ino != b->ino)
		return a->ino < b->ino ? -1 : 1;
	return a->mode - b->mode;
}

static int compare_key(const void *left, const void *right)
{
	const struct file_key *a = left, *b = right;
	int order = compare_file(a, b);

	return order ? order : (a->region > b->region) - (a->region < b->region);
}

static int send_all(int socket, const void *data, size_t len)
{
	while (len) {
		ssize_t n = send(socket, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return GM_ERR_IO;
		data = (const char *)data + n;
		len -= (size_t)n;
	}
	return 0;
}

static int receive_all(int socket, void *data, size_t len)
{
	while (len) {
		ssize_t n = recv(socket, data, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return GM_ERR_IO;
		if (n == 0)
			return GM_ERR_UNEXPECTED_EOF;
		data = (char *)data + n;
		len -= (size_t)n;
	}
	return 0;
}

static int send_batch(int socket, const int *fds, uint32_t count)
{
	union control control = {0};
	struct iovec iov = {.iov_base = &count, .iov_len = sizeof(count)};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(count * sizeof(int)),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	ssize_t n;

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(cmsg), fds, count * sizeof(int));
	do {
		n = sendmsg(socket, &msg, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return GM_ERR_IO;
	/* The descriptors go with the first byte; the rest of the word may follow alone. */
	return send_all(socket, (char *)&count + n, sizeof(count) - (size_t)n);
}

/* Add the descriptors of a message to fds[*have], which takes @max; those too many are closed. */
static int take_fds(struct msghdr *msg, int *fds, uint32_t *have, uint32_t max)
{
	int err = msg->msg_flags & MSG_CTRUNC ? GM_ERR_PROTOCOL : 0;

	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		size_t count;

		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(int));
			if (*have < max) {
				fds[(*have)++] = fd;
			} else {
				close(fd);
				err = GM_ERR_PROTOCOL;
			}
		}
	}
	return err;
}

/* One batch; at least one descriptor, at most @max. What was taken is counted in *@have always. */
static int receive_batch(int socket, int *fds, uint32_t *have, uint32_t max)
{
	union control control;
	uint32_t count = 0, before = *have;
	struct iovec iov = {.iov_base = &count, .iov_len = sizeof(count)};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;
	int err;

	do {
		n = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return GM_ERR_IO;
	err = take_fds(&msg, fds, have, max);
	if (!err && n == 0)
		err = GM_ERR_UNEXPECTED_EOF;
	if (!err)
		err = receive_all(socket, (char *)&count + n, sizeof(count) - (size_t)n);
	if (!err && (count == 0 || count != *have - before))
		err = GM_ERR_PROTOCOL;
	return err;
}

/* Number the files of the regions: table[i].file and, for each file, one descriptor. */
static int number_files(const struct gm_memory *memory, struct file_key *keys,
			struct share_region *table, int *fds, uint32_t *files)
{
	size_t count = gm_memory_count(memory);

	for (size_t i = 0; i < count; i++) {
		int fd = gm_region_fd(gm_memory_region(memory, i));
		struct stat st;
		int flags = fcntl(fd, F_GETFL);

		if (flags < 0 || fstat(fd, &st))
			return GM_ERR_IO;
		keys[i] = (struct file_key){st.st_dev, st.st_ino, flags & O_ACCMODE, (uint32_t)i};
	}
	qsort(keys, count, sizeof(*keys), compare_key);
	*files = 0;
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || compare_file(&keys[i - 1], &keys[i]))
			fds[(*files)++] = gm_region_fd(gm_memory_region(memory, keys[i].region));
		table[keys[i].region].file = *files - 1;
	}
	return 0;
}

static int fill_table(const struct gm_memory *memory, struct share_region *table, size_t *bad)
{
	for (size_t i = 0; i < gm_memory_count(memory); i++) {
		const struct gm_region *region = gm_memory_region(memory, i);
		unsigned int flags = gm_region_flags(region);

		if (gm_region_fd(region) < 0 || (flags & GM_REGION_PRIVATE)) {
			if (bad)
				*bad = i;
			return GM_ERR_NOT_SHAREABLE;
		}
		table[i].start = gm_region_start(region);
		table[i].size = gm_region_size(region);
		table[i].file_offset = gm_region_file_offset(region);
		table[i].read_only = flags & GM_REGION_READ_ONLY ? 1 : 0;
	}
	return 0;
}

static int send_memory(int socket, const struct share_header *header,
		       const struct share_region *table, const int *fds)
{
	int err = send_all(socket, header, sizeof(*header));

	if (!err)
		err = send_all(socket, table, header->regions * sizeof(*table));
	for (uint32_t sent = 0; !err && sent < header->files;) {
		uint32_t n = header->files - sent;

		n = n < BATCH_MAX ? n : BATCH_MAX;
		err = send_batch(socket, fds + sent, n);
		sent += n;
	}
	return err;
}

int gm_memory_send(const struct gm_memory *memory, int socket, size_t *bad)
{
	struct share_header header = {.magic = SHARE_MAGIC};
	size_t count = gm_memory_count(memory);
	struct share_region *table;
	struct file_key *keys;
	int *fds;
	int err = GM_ERR_NO_MEMORY;

	if (count == 0 || count > GM_SHARE_MAX_REGIONS)
		return GM_ERR_INVALID_ARGUMENT;
	header.regions = (uint32_t)count;
	table = calloc(count, sizeof(*table));
	keys = calloc(count, sizeof(*keys));
	fds = calloc(count, sizeof(*fds));
	if (table && keys && fds)
		err = fill_table(memory, table, bad);
	if (!err)
		err = number_files(memory, keys, table, fds, &header.files);
	if (!err)
		err = send_memory(socket, &header, table, fds);
	free(fds);
	free(keys);
	free(table);
	return err;
}

/* From what came over the wire to configurations; their values are gm_region_new()'s to check. */
static int make_configs(const struct share_region *table, const struct share_header *header,
			const int *fds, uint64_t dirty_page, struct gm_region_config *configs)
{
	for (uint32_t i = 0; i < header->regions; i++) {
		const struct share_region *region = &table[i];

		if (region->file >= header->files || region->read_only > 1 ||
		    region->file_offset > INT64_MAX)
			return GM_ERR_PROTOCOL;
		configs[i].start = region->start;
		configs[i].size = region->size;
		configs[i].backing = GM_BACKING_FILE;
		configs[i].flags = region->read_only ? GM_REGION_READ_ONLY : 0;
		configs[i].fd = fds[region->file];
		configs[i].file_offset = region->file_offset;
		configs[i].dirty_page = dirty_page;
	}
	return 0;
}

/* Devices and the like have no size to check, and mapping them can do anything. */
static int check_files(const int *fds, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct stat st;

		if (fstat(fds[i], &st))
			return GM_ERR_IO;
		if (!S_ISREG(st.st_mode))
			return GM_ERR_PROTOCOL;
	}
	return 0;
}

static int receive_memory(int socket, const struct share_header *header, uint64_t dirty_page,
			  struct gm_memory **out)
{
	struct gm_region_config *configs = calloc(header->regions, sizeof(*configs));
	struct share_region *table = calloc(header->regions, sizeof(*table));
	int *fds = calloc(header->files, sizeof(*fds));
	uint32_t have = 0;
	int err = GM_ERR_NO_MEMORY;

	if (configs && table && fds)
		err = receive_all(socket, table, header->regions * sizeof(*table));
	while (!err && have < header->files)
		err = receive_batch(socket, fds, &have, header->files);
	if (!err)
		err = check_files(fds, have);
	if (!err)
		err = make_configs(table, header, fds, dirty_page, configs);
	if (!err)
		err = gm_memory_from_configs(configs, header->regions, out, NULL);
	while (have)
		close(fds[--have]);
	free(fds);
	free(table);
	free(configs);
	return err;
}

int gm_memory_receive(int socket, uint64_t dirty_page, struct gm_memory **out)
{
	struct share_header header;
	int err;

	*out = NULL;
	err = receive_all(socket, &header, sizeof(header));
	if (err)
		return err;
	if (header.magic != SHARE_MAGIC || header.regions == 0 ||
	    header.regions > GM_SHARE_MAX_REGIONS || header.files == 0 ||
	    header.files > header.regions)
		return GM_ERR_PROTOCOL;
	return receive_memory(socket, &header, dirty_page, out);
}
