/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Layouts as text: sizes, regions on the command line and in files, and the cutting of RAM into
 * fragments. Whether the regions fit together is layout.c's question.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/layout.h"

#define PAGE      4096ULL
#define HUGE_PAGE (2ULL << 20)

/* Far more than KVM has slots for: what is beyond is a slip of the keyboard, not a layout. */
#define REGIONS_MAX 1000000

static int append(struct layout *layout, const struct layout_region *region, struct report *report)
{
	struct layout_region *new;

	if (layout->count == REGIONS_MAX)
		return report_fail(report, REPORT_USER, "%s: makes more than %d regions",
				   region->where, REGIONS_MAX);
	if (layout->count == layout->capacity) {
		size_t capacity = layout->capacity ? 2 * layout->capacity : 16;

		new = realloc(layout->regions, capacity * sizeof(*new));
		if (!new)
			return report_fail(report, REPORT_HOST, "out of memory for the layout");
		layout->regions = new;
		layout->capacity = capacity;
	}
	new = &layout->regions[layout->count];
	*new = *region;
	new->file = region->file ? strdup(region->file) : NULL;
	new->where = strdup(region->where);
	if ((region->file && !new->file) || !new->where) {
		free(new->file);
		free(new->where);
		return report_fail(report, REPORT_HOST, "out of memory for the layout");
	}
	layout->count++;
	return 0;
}

int layout_add_memory(struct layout *layout, const char *text, struct report *report)
{
	const uint64_t low_end = 0xc0000000;
	struct layout_region region = {0};
	char where[64];
	uint64_t size;

	if (!parse_size(text, &size))
		return report_fail(report, REPORT_USER,
				   "--memory %s: not a size; write for example 64M or 1G", text);
	if (size == 0 || size % PAGE)
		return report_fail(report, REPORT_USER,
				   "--memory %s: must be a multiple of 4K and not zero", text);
	snprintf(where, sizeof(where), "--memory %.50s", text);
	region.where = where;
	region.config.size = size < low_end ? size : low_end;
	if (append(layout, &region, report))
		return -1;
	if (size == region.config.size)
		return 0;
	region.config.start = PLATFORM_END;
	region.config.size = size - low_end;
	return append(layout, &region, report);
}

/* The words behind BASE:SIZE. */
static const struct {
	const char *name;
	unsigned int flag;
} flag_words[] = {
	{"ro", GM_REGION_READ_ONLY}, {"private", GM_REGION_PRIVATE},
	{"huge", GM_REGION_HUGETLB}, {"populate", GM_REGION_POPULATE},
	{"lock", GM_REGION_LOCK},
};

const struct device_word region_words[] = {
	{"ro", "the guest may only read it (it may write)"},
	{"file=PATH", "what is in it is in a file, which the guest changes"},
	{"offset=N", "where in the file it begins (0)"},
	{"private", "the file stays as it is (it does not)"},
	{"memfd", "memory that can be given to other processes (it cannot)"},
	{"huge", "pages of 2 MiB, as many as the host has free (4 KiB)"},
	{"populate", "all of it is there from the start (when it is used)"},
	{"lock", "never swapped (it may be)"},
	{.word = NULL},
};

static int take_word(struct layout_region *region, char *word, struct report *report)
{
	struct gm_region_config *config = &region->config;

	for (size_t i = 0; i < sizeof(flag_words) / sizeof(flag_words[0]); i++) {
		if (strcmp(word, flag_words[i].name) == 0) {
			config->flags |= flag_words[i].flag;
			return 0;
		}
	}
	if (strcmp(word, "memfd") == 0) {
		config->backing = GM_BACKING_MEMFD;
		return 0;
	}
	if (strncmp(word, "file=", 5) == 0 && word[5]) {
		region->file = word + 5;
		return 0;
	}
	if (strncmp(word, "offset=", 7) == 0) {
		if (parse_size(word + 7, &config->file_offset) && config->file_offset % PAGE == 0)
			return 0;
		return report_fail(report, REPORT_USER, "%s: %s: the offset must be a multiple of 4K",
				   region->where, word);
	}
	if (near_word(word, region_words))
		return report_fail(report, REPORT_USER,
				   "%s: '%s' is not a word for a region; did you mean %s?",
				   region->where, word, near_word(word, region_words));
	return report_fail(report, REPORT_USER,
			   "%s: '%s' is not a word for a region; these are: ro, file=PATH, "
			   "offset=N, private, memfd, huge, populate, lock",
			   region->where, word);
}

/* Words that contradict each other. */
static int check_words(const struct layout_region *region, struct report *report)
{
	const struct gm_region_config *config = &region->config;

	if (region->file && config->backing == GM_BACKING_MEMFD)
		return report_fail(report, REPORT_USER, "%s: file= and memfd exclude each other",
				   region->where);
	if (!region->file && (config->flags & GM_REGION_PRIVATE))
		return report_fail(report, REPORT_USER, "%s: private needs file=", region->where);
	if (!region->file && config->file_offset)
		return report_fail(report, REPORT_USER, "%s: offset= needs file=", region->where);
	if (region->file && (config->flags & GM_REGION_HUGETLB))
		return report_fail(report, REPORT_USER, "%s: file= and huge exclude each other",
				   region->where);
	if ((config->flags & GM_REGION_HUGETLB) && config->size % HUGE_PAGE)
		return report_fail(report, REPORT_USER,
				   "%s: huge needs a size that is a multiple of 2M", region->where);
	return 0;
}

/* Remove white space, in place: all of it, but of a path only what is around it. */
static char *squeeze(char *text)
{
	char *start, *to, *last;

	text += strspn(text, " \t\r\n");
	start = to = last = text;
	for (bool path = strncmp(text, "file=", 5) == 0; *text; text++) {
		bool space = isspace((unsigned char)*text);

		if (!space || path)
			*to++ = *text;
		if (!space)
			last = to;
	}
	*last = '\0';
	return start;
}

/* "SIZE" or "SIZE*COUNT". */
static int parse_extent(struct layout_region *region, char *text, uint64_t *count,
			struct report *report)
{
	char *star = strchr(text, '*');

	*count = 1;
	if (star) {
		*star++ = '\0';
		if (!parse_size(star, count) || *count == 0 || *count > REGIONS_MAX)
			return report_fail(report, REPORT_USER,
					   "%s: '%s' is not a count from 1 to %d", region->where,
					   star, REGIONS_MAX);
	}
	if (!parse_size(text, &region->config.size))
		return report_fail(report, REPORT_USER,
				   "%s: '%s' is not a size; write for example 64K or 0x10000",
				   region->where, text);
	if (region->config.size == 0)
		return report_fail(report, REPORT_USER,
				   "%s: the size is zero; a region needs at least 4K", region->where);
	return 0;
}

int layout_add_region(struct layout *layout, const char *text, const char *where,
		      struct report *report)
{
	struct layout_region region = {.where = (char *)where};
	char copy[4096], *size, *rest, *word;
	uint64_t count;

	if (strlen(text) >= sizeof(copy))
		return report_fail(report, REPORT_USER, "%s: too long", where);
	memcpy(copy, text, strlen(text) + 1);
	rest = copy;
	word = squeeze(strsep(&rest, ","));
	size = strchr(word, ':');
	if (!size)
		return report_fail(report, REPORT_USER,
				   "%s: a region is BASE:SIZE, for example 0x100000:64M", where);
	*size++ = '\0';
	if (!parse_size(word, &region.config.start))
		return report_fail(report, REPORT_USER,
				   "%s: '%s' is not an address; write for example 0x100000 or 4G",
				   where, word);
	if (parse_extent(&region, size, &count, report))
		return -1;
	while ((word = strsep(&rest, ","))) {
		if (take_word(&region, squeeze(word), report))
			return -1;
	}
	if (check_words(&region, report))
		return -1;
	if (region.file)
		region.config.backing = GM_BACKING_FILE;
	for (uint64_t i = 0; i < count; i++) {
		if (append(layout, &region, report))
			return -1;
		if (region.file)
			region.config.file_offset += region.config.size;
		if (__builtin_add_overflow(region.config.start, region.config.size,
					   &region.config.start) &&
		    i + 1 < count)
			return report_fail(report, REPORT_USER,
					   "%s: the last of these would end past 2^64", where);
	}
	return 0;
}

int layout_add_file(struct layout *layout, const char *path, struct report *report)
{
	FILE *file = fopen(path, "re");
	size_t capacity = 0, before = layout->count;
	char *line = NULL, where[256];
	int number = 0, ret = 0;

	if (!file)
		return report_fail(report, report_whose(errno), "--layout %s: cannot open it: %s",
				   path, strerror(errno));
	errno = 0;
	while (ret == 0 && getline(&line, &capacity, file) >= 0) {
		char *text = line + strspn(line, " \t\r\n");

		number++;
		text[strcspn(text, "#\r\n")] = '\0';
		if (!text[strspn(text, " \t")])
			continue;
		snprintf(where, sizeof(where), "%.200s line %d", path, number);
		ret = layout_add_region(layout, text, where, report);
	}
	/* Without memory for a line, getline() ends as at the end of the file, but for this. */
	if (ret == 0 && !feof(file))
		ret = report_fail(report, report_whose(errno), "--layout %s: cannot read it: %s",
				  path, strerror(errno));
	else if (ret == 0 && layout->count == before)
		ret = report_fail(report, REPORT_USER,
				  "--layout %s: no region in it; a line is BASE:SIZE[,WORD...]",
				  path);
	free(line);
	fclose(file);
	return ret;
}

/* splitmix64, so that a seed means the same cuts for ever. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* How finely @region can be cut; 0 and a message if it does not go with pieces of @size. */
static uint64_t grain(const struct layout_region *region, const char *text, uint64_t size,
		      struct report *report)
{
	if (!(region->config.flags & GM_REGION_HUGETLB))
		return PAGE;
	if (size % HUGE_PAGE == 0)
		return HUGE_PAGE;
	report_fail(report, REPORT_USER,
		    "--fragment %s: the size must be a multiple of 2M, as %s has huge pages", text,
		    region->where);
	return 0;
}

/* Cut one region into @cut. */
static int fragment_region(struct layout *cut, const struct layout_region *region, const char *text,
			   uint64_t size, uint64_t *random, struct report *report)
{
	struct layout_region piece = *region;
	uint64_t left = piece.config.size, unit = grain(region, text, size, report);

	if (!unit)
		return -1;
	while (left) {
		uint64_t want = random ? (next_random(random) % (size / unit) + 1) * unit : size;

		if (cut->count == REGIONS_MAX)
			return report_fail(report, REPORT_USER,
					   "--fragment %s: cuts %s into more than %d regions; "
					   "make them larger",
					   text, region->where, REGIONS_MAX);
		piece.config.size = want < left ? want : left;
		if (append(cut, &piece, report))
			return -1;
		piece.config.start += piece.config.size;
		if (piece.file)
			piece.config.file_offset += piece.config.size;
		left -= piece.config.size;
	}
	return 0;
}

/* SIZE or SIZE,seed=N. */
static int parse_fragment(const char *text, uint64_t *size, bool *random, uint64_t *seed,
			  struct report *report)
{
	const char *comma = strchr(text, ',');
	char head[64];
	size_t len = comma ? (size_t)(comma - text) : strlen(text);

	snprintf(head, sizeof(head), "%.*s", (int)(len < 63 ? len : 63), text);
	if (!parse_size(head, size) || *size == 0 || *size % PAGE)
		return report_fail(report, REPORT_USER,
				   "--fragment %s: the size must be a multiple of 4K, for example "
				   "64K",
				   text);
	*random = comma != NULL;
	if (comma && (strncmp(comma, ",seed=", 6) != 0 || !parse_size(comma + 6, seed)))
		return report_fail(report, REPORT_USER,
				   "--fragment %s: behind the size can only be seed=N", text);
	return 0;
}

int layout_fragment(struct layout *layout, const char *text, struct report *report)
{
	struct layout cut = {0};
	uint64_t size = 0, seed = 0;
	bool random = false;
	int ret = parse_fragment(text, &size, &random, &seed, report);

	for (size_t i = 0; i < layout->count && ret == 0; i++) {
		const struct layout_region *region = &layout->regions[i];

		if (region->config.flags & GM_REGION_READ_ONLY)
			ret = append(&cut, region, report);
		else
			ret = fragment_region(&cut, region, text, size, random ? &seed : NULL,
					      report);
	}
	if (ret) {
		layout_clear(&cut);
		return ret;
	}
	layout_clear(layout);
	*layout = cut;
	layout->scatter = random ? seed | 1 : 0;
	return 0;
}
