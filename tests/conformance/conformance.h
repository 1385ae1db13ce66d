/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The frame of build/conformance: what one replayed line is, how its tokens are read and its result
 * is written, and how a kind of case (layout, iommu, slice...) says which operations it knows.
 *
 * A handler reads c->argv, calls libguestmem through its public headers and writes the result to
 * the line with conf_put(). It never sees the expected result. Format: tests/vectors/FORMAT.md.
 */
#ifndef TESTS_CONFORMANCE_H
#define TESTS_CONFORMANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guestmem/guestmem.h"

#define CONF_MAX_ARGS 512

struct conf;

/*
 * One operation. A '#' that ends the name stands for the width in bits of an element: 8, 16, 32, 64
 * or, for objects, 96B; the handler finds the width in bytes in c->width.
 */
struct conf_op {
	const char *name;
	int min_args, max_args;
	void (*run)(struct conf *c);
};

/* A kind of case. open() replays the line that starts it; close() drops what open() made. */
struct conf_kind {
	const char *name;
	void (*open)(struct conf *c);
	void (*close)(struct conf *c);
	const struct conf_op *const *tables; /* NULL-terminated; each ends with a NULL name */
};

/* What the byte operations work on: a memory by guest address, a region or slice by offset. */
struct conf_target {
	const struct gm_memory *memory; /* or NULL */
	const struct gm_region *region; /* or NULL */
	const struct gm_slice *slice;   /* or NULL */
};

struct conf {
	/* the case */
	const struct conf_kind *kind;
	struct gm_memory *memory; /* what plain operations address; the view in iommu cases */
	struct gm_memory *backend; /* whose regions are printed, with dirty bits; == memory in layout */
	struct gm_slice slice;     /* slice cases */
	struct gm_bitmap *bitmap; /* bitmap cases and the slice's */
	void *host;               /* what the slice is in */
	void *private;            /* for a kind that needs more */

	/* the line */
	struct conf_target target;
	int argc; /* without the operation's name */
	char *argv[CONF_MAX_ARGS];
	size_t width;   /* '#' */
	bool malformed; /* a token could not be read: the line fails */
	bool refused;   /* the library answered with an error by name */
	char *out;
	size_t out_len, out_cap;
};

extern const struct conf_kind conf_layout, conf_slice, conf_bitmap, conf_address;
extern const struct conf_kind conf_iotlb, conf_iommu;

/* Operations of more than one kind. */
extern const struct conf_op conf_bytes_ops[];   /* Bytes, on c->target */
extern const struct conf_op conf_stream_ops[];  /* Bytes with sources and sinks, on c->target */
extern const struct conf_op conf_region_ops[];  /* r_*, and try_access on c->target */
extern const struct conf_op conf_walk_ops[];    /* get_slices of c->memory, optionally with PERM */
extern const struct conf_op conf_backend_ops[]; /* dirty, reset_dirty, fnv: on c->backend */

/* Arguments by index. */
uint64_t conf_u64(struct conf *c, int arg);
enum gm_access conf_access(struct conf *c, int arg); /* no, r, w, rw */
/* A DATA argument; the caller frees it. Never NULL, not even for no bytes. */
uint8_t *conf_data(struct conf *c, int arg, size_t *len);
/* "A:B"; false (and malformed) if it is not. */
bool conf_pair(struct conf *c, int arg, uint64_t *first, uint64_t *second);
/* "v,v,v" or "-" as elements of @width bytes; the caller frees it. */
uint8_t *conf_list(struct conf *c, int arg, size_t width, size_t *count);
/* A buffer of @len zeroes, at least one byte long; exits if the host has none. */
void *conf_zalloc(size_t len);
/* Room for all that an access of @len bytes can get from c->target, however large @len is. */
size_t conf_room(const struct conf *c, uint64_t len);

/* The result. */
void conf_put(struct conf *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
void conf_put_data(struct conf *c, const uint8_t *data, size_t len);
void conf_put_words(struct conf *c, const uint64_t *words, size_t count); /* v,v or - */
/* The dirty pages of a bitmap, comma-separated; false if there is none. */
bool conf_put_dirty_pages(struct conf *c, const struct gm_bitmap *bitmap);
/* Host pointer as I+OFF in the regions of c->backend. */
void conf_put_host(struct conf *c, const void *host);
uint64_t conf_fnv(uint64_t hash, const void *data, size_t len);
#define CONF_FNV_BASE 0xcbf29ce484222325ULL

/* What an access was, for the error's payload. */
struct conf_request {
	uint64_t addr;
	uint64_t len;
	uint64_t done; /* for GM_ERR_PARTIAL */
	enum gm_access access;
	bool range;     /* slices: a bounds error names the end of the range, not its start */
	bool from_host; /* slices: an overflow is one of host addresses */
};

/* "err KIND payload" for an access through c->target; sets c->refused. */
void conf_error(struct conf *c, int err, const struct conf_request *request);
/* The same for an error without payload, and those of construction. */
void conf_error_name(struct conf *c, int err);

#endif
