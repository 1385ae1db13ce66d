/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Sockets of the host. */
#include "tests/devices/net-host.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/runner.h"

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port),
	};
}

static int new_socket(int type)
{
	const struct timeval patience = {.tv_sec = 20};
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)), 0);
	return fd;
}

int net_host_bind(int type, uint16_t port)
{
	const struct sockaddr_in addr = loopback(port);
	int fd = new_socket(type), on = 1;

	/* A connection of before may be in TIME_WAIT. */
	if (type == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	close(fd);
	return -1;
}

static int bind_any(int type, uint16_t *port)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);
	int fd = net_host_bind(type, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	*port = ntohs(addr.sin_port);
	return fd;
}

uint16_t net_host_free_port(int type)
{
	uint16_t port;

	close(bind_any(type, &port));
	return port;
}

int net_host_listen(uint16_t *port)
{
	int fd = bind_any(SOCK_STREAM, port);

	ck_assert_int_eq(listen(fd, 8), 0);
	return fd;
}

int net_host_udp(uint16_t *port)
{
	return bind_any(SOCK_DGRAM, port);
}

static void connect_to(int fd, uint16_t port)
{
	const struct sockaddr_in addr = loopback(port);

	ck_assert_int_eq(connect(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
}

int net_host_connect(uint16_t port)
{
	int fd = new_socket(SOCK_STREAM);

	connect_to(fd, port);
	return fd;
}

void net_host_connect_udp(int fd, uint16_t port)
{
	connect_to(fd, port);
}

void net_host_read(int fd, void *data, size_t len)
{
	while (len) {
		ssize_t n = read(fd, data, len);

		ck_assert_int_gt(n, 0);
		data = (uint8_t *)data + n;
		len -= (size_t)n;
	}
}

/* Sockets in a directory of descriptors. */
static unsigned int sockets_in(const char *path)
{
	DIR *dir = opendir(path);
	unsigned int count = 0;
	struct dirent *entry;
	char target[16];

	while (dir && (entry = readdir(dir)))
		count += readlinkat(dirfd(dir), entry->d_name, target, sizeof(target)) > 7 &&
			 memcmp(target, "socket:", 7) == 0;
	if (dir)
		closedir(dir);
	return count;
}

unsigned int net_host_sockets(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned int most = 0;
	struct dirent *task;
	char path[300];

	ck_assert_ptr_nonnull(dir);
	while ((task = readdir(dir))) {
		unsigned int count;

		snprintf(path, sizeof(path), "/proc/self/task/%.32s/fd", task->d_name);
		count = sockets_in(path);
		most = count > most ? count : most;
	}
	closedir(dir);
	return most;
}

bool net_host_all_have(int fd)
{
	DIR *dir = opendir("/proc/self/task");
	bool all = true;
	struct dirent *task;
	char path[300];

	ck_assert_ptr_nonnull(dir);
	while ((task = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/self/task/%.32s/fd/%d", task->d_name, fd);
		all &= task->d_name[0] == '.' || access(path, F_OK) == 0;
	}
	closedir(dir);
	return all;
}

/* The counter in a thread's status file if it has the name. */
static long switches_of(const char *task, const char *name)
{
	char path[300], line[128], comm[32] = "";
	long count = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%.32s/status", task);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "Name: %31s", comm) == 1 && strcmp(comm, name) != 0)
			break;
		if (sscanf(line, "voluntary_ctxt_switches: %ld", &count) == 1)
			break;
	}
	if (file)
		fclose(file);
	return count;
}

long net_host_switches(const char *name)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *task;
	long count = -1;

	ck_assert_ptr_nonnull(tasks);
	while (count < 0 && (task = readdir(tasks)))
		count = switches_of(task->d_name, name);
	closedir(tasks);
	return count;
}
