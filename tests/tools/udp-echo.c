/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The host program that the test kernel's net-udp talks to: every datagram that comes to a port of
 *the loopback interface goes back to where it came from. An empty one is the last.
 *
 *	udp-echo		prints the port, then a line about what came
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define TIMEOUT_S 60 /* for all of it; SIGALRM ends the program then */

static int fail(const char *what)
{
	printf("not ok - udp: %s\n", what);
	return EXIT_FAILURE;
}

int main(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t addr_len = sizeof(addr);
	static unsigned char data[65536];
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unsigned int count = 0;
	ssize_t len;

	alarm(TIMEOUT_S);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) ||
	    getsockname(fd, (struct sockaddr *)&addr, &addr_len))
		return fail("no socket");
	printf("%u\n", ntohs(addr.sin_port));
	fflush(stdout);
	do {
		addr_len = sizeof(addr);
		len = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&addr, &addr_len);
		if (len < 0 || sendto(fd, data, (size_t)len, 0, (const struct sockaddr *)&addr,
				      addr_len) != len)
			return fail("a datagram does not go back");
		count++;
	} while (len);
	printf("ok - udp: %u datagrams from the guest and back\n", count);
	return EXIT_SUCCESS;
}
