/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Packets of gdb's remote protocol: their frame, and the hexadecimal in them. See gdb-packet.h. */
#include "vmm/gdb-packet.h"

#include <string.h>

#define ESCAPE '}'
#define BREAK  3

static const char digits[] = "0123456789abcdef";

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool gdb_number(const char **text, uint64_t *number)
{
	const char *at = *text;

	*number = 0;
	for (; digit(*at) >= 0; at++) {
		if (*number >> 60)
			return false;
		*number = *number << 4 | (uint64_t)digit(*at);
	}
	if (at == *text)
		return false;
	*text = at;
	return true;
}

bool gdb_unhex(const char **text, void *bytes, size_t len)
{
	uint8_t *to = bytes;

	for (size_t i = 0; i < len; i++) {
		int high = digit(**text), low = high < 0 ? -1 : digit((*text)[1]);

		if (low < 0)
			return false;
		to[i] = (uint8_t)(high << 4 | low);
		*text += 2;
	}
	return true;
}

/* --- in ----------------------------------------------------------------------------------------- */

static void put_out(struct gdb_frame *frame, const char *bytes, size_t len)
{
	memmove(frame->out, frame->out + frame->out_from, frame->out_len);
	frame->out_from = 0;
	/* Acknowledgements of garbage may be dropped; packets were asked room for. */
	if (len > sizeof(frame->out) - frame->out_len)
		return;
	memcpy(frame->out + frame->out_len, bytes, len);
	frame->out_len += len;
}

static void begin(struct gdb_frame *frame)
{
	frame->state = GDB_DATA;
	frame->sum = 0;
	frame->len = 0;
	frame->too_long = false;
}

static void add(struct gdb_frame *frame, uint8_t byte)
{
	if (frame->len < GDB_PACKET_MAX)
		frame->data[frame->len++] = (char)byte;
	else
		frame->too_long = true;
}

/* The second digit of the checksum was the end. */
static enum gdb_event end(struct gdb_frame *frame, uint8_t byte)
{
	int low = digit((char)byte);
	bool good = frame->high >= 0 && low >= 0 && (frame->high << 4 | low) == frame->sum;

	frame->state = GDB_BETWEEN;
	if (!frame->no_acks)
		put_out(frame, good ? "+" : "-", 1);
	/* Without acknowledgements the transport is trusted, and nobody would send it again. */
	if (!good && !frame->no_acks)
		return GDB_NOTHING;
	frame->data[frame->len] = '\0';
	return frame->too_long ? GDB_LONG : GDB_PACKET;
}

static enum gdb_event take(struct gdb_frame *frame, uint8_t byte)
{
	switch (frame->state) {
	case GDB_BETWEEN:
		if (byte == '$')
			begin(frame);
		if (byte == '-' && !frame->no_acks)
			return GDB_AGAIN;
		return byte == BREAK ? GDB_BREAK : GDB_NOTHING;
	case GDB_DATA:
		if (byte == '#') {
			frame->state = GDB_SUM_HIGH;
			return GDB_NOTHING;
		}
		/* It begins anew: the rest of the one before was lost. */
		if (byte == '$') {
			begin(frame);
			return GDB_NOTHING;
		}
		frame->sum = (uint8_t)(frame->sum + byte);
		if (byte == ESCAPE)
			frame->state = GDB_ESCAPED;
		else
			add(frame, byte);
		return GDB_NOTHING;
	case GDB_ESCAPED:
		frame->sum = (uint8_t)(frame->sum + byte);
		add(frame, byte ^ 0x20);
		frame->state = GDB_DATA;
		return GDB_NOTHING;
	case GDB_SUM_HIGH:
		frame->high = digit((char)byte);
		frame->state = GDB_SUM_LOW;
		return GDB_NOTHING;
	case GDB_SUM_LOW: return end(frame, byte);
	}
	return GDB_NOTHING;
}

enum gdb_event gdb_frame_next(struct gdb_frame *frame, const uint8_t *data, size_t len, size_t *used)
{
	for (size_t i = 0; i < len; i++) {
		enum gdb_event event = take(frame, data[i]);

		if (event != GDB_NOTHING) {
			*used = i + 1;
			return event;
		}
	}
	*used = len;
	return GDB_NOTHING;
}

/* --- out ---------------------------------------------------------------------------------------- */

bool gdb_frame_has_room(const struct gdb_frame *frame)
{
	return sizeof(frame->out) - frame->out_len >= sizeof(frame->last) + 8;
}

void gdb_reply_begin(struct gdb_frame *frame)
{
	frame->reply_len = 0;
}

bool gdb_reply_bytes(struct gdb_frame *frame, const void *bytes, size_t len)
{
	const char *from = bytes;

	for (size_t i = 0; i < len; i++) {
		bool special =
			from[i] == '$' || from[i] == '#' || from[i] == '*' || from[i] == ESCAPE;

		if (frame->reply_len + 1 + special > GDB_PACKET_MAX)
			return false;
		if (special)
			frame->reply[frame->reply_len++] = ESCAPE;
		frame->reply[frame->reply_len++] = special ? (char)(from[i] ^ 0x20) : from[i];
	}
	return true;
}

bool gdb_reply_text(struct gdb_frame *frame, const char *text)
{
	return gdb_reply_bytes(frame, text, strlen(text));
}

bool gdb_reply_hex(struct gdb_frame *frame, const void *bytes, size_t len)
{
	const uint8_t *from = bytes;

	if (len > (GDB_PACKET_MAX - frame->reply_len) / 2)
		return false;
	for (size_t i = 0; i < len; i++) {
		frame->reply[frame->reply_len++] = digits[from[i] >> 4];
		frame->reply[frame->reply_len++] = digits[from[i] & 15];
	}
	return true;
}

bool gdb_reply_number(struct gdb_frame *frame, uint64_t number)
{
	char text[17];
	size_t at = sizeof(text) - 1;

	text[at] = '\0';
	do {
		text[--at] = digits[number & 15];
		number >>= 4;
	} while (number);
	return gdb_reply_text(frame, text + at);
}

void gdb_reply_send(struct gdb_frame *frame)
{
	char *to = frame->last;
	uint8_t sum = 0;

	*to++ = '$';
	for (size_t i = 0; i < frame->reply_len; i++) {
		sum = (uint8_t)(sum + (uint8_t)frame->reply[i]);
		*to++ = frame->reply[i];
	}
	*to++ = '#';
	*to++ = digits[sum >> 4];
	*to++ = digits[sum & 15];
	frame->last_len = (size_t)(to - frame->last);
	put_out(frame, frame->last, frame->last_len);
}

void gdb_reply(struct gdb_frame *frame, const char *text)
{
	gdb_reply_begin(frame);
	gdb_reply_text(frame, text);
	gdb_reply_send(frame);
}

void gdb_reply_again(struct gdb_frame *frame)
{
	put_out(frame, frame->last, frame->last_len);
}
