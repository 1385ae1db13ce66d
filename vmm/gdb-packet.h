/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The frame of gdb's remote protocol: "$data#checksum", acknowledgements, Ctrl-C; two buffers of
 * fixed size, and no more than one packet between them. What packets mean is gdb-session.h's.
 */
#ifndef VMM_GDB_PACKET_H
#define VMM_GDB_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GDB_PACKET_MAX 0x1000 /* bytes of data in either direction, before the frame */

/* What came, as gdb_frame_next() tells it. */
enum gdb_event {
	GDB_NOTHING, /* not yet a whole packet */
	GDB_PACKET,  /* in frame->data, zero-terminated */
	GDB_LONG,    /* a packet of more than GDB_PACKET_MAX, which is lost */
	GDB_BREAK,   /* Ctrl-C */
	GDB_AGAIN,   /* the client did not understand the last reply */
};

/* The loop's thread. */
struct gdb_frame {
	bool no_acks;
	enum { GDB_BETWEEN, GDB_DATA, GDB_ESCAPED, GDB_SUM_HIGH, GDB_SUM_LOW } state;
	uint8_t sum;   /* of the bytes so far */
	int high;      /* first digit of the checksum, -1: not a digit */
	bool too_long; /* what came is thrown away */
	size_t len;
	char data[GDB_PACKET_MAX + 1];

	char reply[GDB_PACKET_MAX + 1]; /* being made */
	size_t reply_len;

	/* What waits to be sent; the last packet stays where it was until the next is made. */
	char out[2 * GDB_PACKET_MAX + 64];
	size_t out_from, out_len;
	char last[GDB_PACKET_MAX + 8];
	size_t last_len;
};

/* Take bytes up to the end of what is told; *used says how many. */
enum gdb_event gdb_frame_next(struct gdb_frame *frame, const uint8_t *data, size_t len, size_t *used);

/* Whether a reply of the full length fits: ask before a packet is taken. */
bool gdb_frame_has_room(const struct gdb_frame *frame);

/*
 * Make a reply: begin, add (what does not fit is cut; false then), send. Bytes are escaped where
 * they have to be.
 */
void gdb_reply_begin(struct gdb_frame *frame);
bool gdb_reply_bytes(struct gdb_frame *frame, const void *bytes, size_t len);
bool gdb_reply_text(struct gdb_frame *frame, const char *text);
bool gdb_reply_hex(struct gdb_frame *frame, const void *bytes, size_t len);
bool gdb_reply_number(struct gdb_frame *frame, uint64_t number);
void gdb_reply_send(struct gdb_frame *frame);

/* A short one at once. */
void gdb_reply(struct gdb_frame *frame, const char *text);

/* The last reply once more. */
void gdb_reply_again(struct gdb_frame *frame);

/* A hexadecimal number at *@text, which goes behind it. False if there is none, or more than 64 bits. */
bool gdb_number(const char **text, uint64_t *number);

/* @len bytes of two digits each at *@text, which goes behind them. False if there are fewer. */
bool gdb_unhex(const char **text, void *bytes, size_t len);

#endif
