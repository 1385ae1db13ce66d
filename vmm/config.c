/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A configuration file to settings. It is one JSON object whose keys are the options' names without
 * dashes, and "kernel", "arguments" (of the guest) and "devices", an array of objects of one device
 * each, where their order matters across kinds. What the values mean is the options' business.
 */
#include "vmm/config.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "devices/near.h"
#include "vmm/options-impl.h"

/* A file that is larger is none of a configuration. */
#define SIZE_LIMIT (4u << 20)

const char config_library[] = JANSSON_VERSION;

struct file {
	const char *path;
	unsigned int layer;
	struct options *options;
	struct report *report;
};

/* --- keys ------------------------------------------------------------------------------------------- */

static const struct option_row *find_row(const char *key)
{
	const struct option_row *row = option_rows;

	if (strcmp(key, option_kernel.name) == 0)
		return &option_kernel;
	if (strcmp(key, option_arguments.name) == 0)
		return &option_arguments;
	while (row->name && strcmp(row->name, key) != 0)
		row++;
	return row->name ? row : NULL;
}

static const struct device_type *find_type(const char *key)
{
	const struct device_type *const *type = device_types;

	while (*type && strcmp((*type)->name, key) != 0)
		type++;
	return *type;
}

static int unknown_key(const struct file *file, const char *key, bool device)
{
	struct near near = {.text = key};

	for (const struct option_row *row = option_rows; row->name && !device; row++)
		near_try(&near, row->flags & OPTION_NOW ? NULL : row->name);
	for (const struct device_type *const *type = device_types; *type; type++)
		near_try(&near, (*type)->name);
	near_try(&near, device ? NULL : option_kernel.name);
	near_try(&near, device ? NULL : option_arguments.name);
	near_try(&near, device ? NULL : "devices");
	if (near.best)
		return report_fail(file->report, REPORT_USER,
				   "%s: \"%s\": unknown key; did you mean \"%s\"?", file->path, key,
				   near.best);
	return report_fail(file->report, REPORT_USER,
			   device ? "%s: \"%s\": not a device; --help lists them"
				  : "%s: \"%s\": unknown key; they are the options that --help=all "
				    "lists, and kernel, arguments, devices",
			   file->path, key);
}

/* --- values ------------------------------------------------------------------------------------------ */

static int wrong_type(const struct file *file, const char *key, const json_t *value, const char *right)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

	report_fail(file->report, REPORT_USER, "%s: \"%s\": %.60s is not right; right is %s",
		    file->path, key, text ? text : "this", right);
	free(text);
	return -1;
}

static int wrong_value(const struct file *file, const struct setting *setting, const json_t *value)
{
	const char *args = setting->row ? setting->row->args : setting->type->args;
	bool number = setting->row && (setting->row->flags & OPTION_NUMBER);
	char right[300];

	if (!args)
		snprintf(right, sizeof(right), "true or false");
	else
		snprintf(right, sizeof(right), "%s%sa string (%s%s%s%.150s)%s",
			 *args == '[' ? "true, false or " : "", number ? "a number or " : "",
			 setting_is_word(setting) ? "" : "--",
			 setting_is_word(setting) ? "" : setting_name(setting),
			 setting_is_word(setting) || *args == '[' ? "" : " ", args,
			 setting_may_repeat(setting) ? ", or an array of them" : "");
	return wrong_type(file, setting_name(setting), value, right);
}

static int add(const struct file *file, struct setting setting, const char *value)
{
	if (value && !(setting.value = options_keep(file->options, value)))
		return report_fail(file->report, REPORT_HOST, "out of memory");
	return setting_add(file->options, &setting, file->report);
}

static int take_one(const struct file *file, const struct setting *setting, const json_t *value)
{
	const char *args = setting->row ? setting->row->args : setting->type->args;
	bool may_be_alone = !args || *args == '[';
	struct setting off = *setting;
	char number[32];

	if (json_is_string(value) && args)
		return add(file, *setting, json_string_value(value));
	if (json_is_integer(value) && setting->row && (setting->row->flags & OPTION_NUMBER)) {
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		return add(file, *setting, number);
	}
	if (json_is_true(value) && may_be_alone)
		return add(file, *setting, NULL);
	if (json_is_false(value) && may_be_alone) {
		off.off = true;
		return add(file, off, NULL);
	}
	return wrong_value(file, setting, value);
}

static int take_value(const struct file *file, const struct setting *setting, const json_t *value)
{
	const json_t *one;
	size_t i;

	if (!json_is_array(value) || !setting_may_repeat(setting))
		return take_one(file, setting, value);
	json_array_foreach(value, i, one)
	{
		if (take_one(file, setting, one))
			return -1;
	}
	return 0;
}

/* --- the file ------------------------------------------------------------------------------------------ */

static int take_device(const struct file *file, const char *key, const json_t *value)
{
	const struct setting setting = {
		.type = find_type(key),
		.layer = file->layer,
		.file = file->path,
	};

	return setting.type ? take_value(file, &setting, value) : unknown_key(file, key, true);
}

static int take_devices(const struct file *file, const json_t *list)
{
	static const char right[] = "an array of objects of one device, for example "
				    "[{\"disk\": \"a.img\"}, {\"rng\": true}]";
	const json_t *one, *value;
	const char *key;
	size_t i;

	if (!json_is_array(list))
		return wrong_type(file, "devices", list, right);
	json_array_foreach(list, i, one)
	{
		if (json_object_size(one) != 1)
			return wrong_type(file, "devices", one, right);
		json_object_foreach((json_t *)one, key, value)
		{
			if (take_device(file, key, value))
				return -1;
		}
	}
	return 0;
}

static int take_key(const struct file *file, const char *key, const json_t *value)
{
	const struct setting setting = {
		.row = find_row(key),
		.layer = file->layer,
		.file = file->path,
	};

	if (strcmp(key, "devices") == 0)
		return take_devices(file, value);
	if (find_type(key))
		return take_device(file, key, value);
	if (!setting.row)
		return unknown_key(file, key, false);
	if (setting.row->flags & OPTION_NOW)
		return report_fail(file->report, REPORT_USER,
				   "%s: \"%s\": only for the command line; leave it out",
				   file->path, key);
	return take_value(file, &setting, value);
}

static int take_text(const struct file *file, const char *text, size_t len)
{
	json_error_t error;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error),
	       *value;
	const char *key;
	int err = 0;

	if (!root)
		return report_fail(file->report, REPORT_USER, "%s line %d column %d: %s",
				   file->path, error.line, error.column, error.text);
	if (!json_is_object(root))
		err = report_fail(file->report, REPORT_USER,
				  "%s: not a JSON object; for example {\"kernel\": \"vmlinux\"}",
				  file->path);
	json_object_foreach(root, key, value)
	{
		err = take_key(file, key, value);
		if (err)
			break;
	}
	json_decref(root);
	return err;
}

/* All of it, up to SIZE_LIMIT, in what is to be freed; NULL and errno. @len is 0. Most are small. */
static char *read_text(FILE *stream, size_t *len)
{
	size_t size = 0;
	char *text = NULL;

	do {
		char *larger;

		size = size ? 2 * size : 4096;
		larger = realloc(text, size);
		if (!larger) {
			free(text);
			return NULL;
		}
		text = larger;
		*len += fread(text + *len, 1, size - *len, stream);
	} while (*len == size && size < SIZE_LIMIT);
	return text;
}

int config_read(const char *path, unsigned int layer, struct options *options, struct report *report)
{
	struct file file = {path, layer, options, report};
	FILE *stream = fopen(path, "re");
	size_t len = 0;
	char *text = stream ? read_text(stream, &len) : NULL;
	int err;

	if (!text || ferror(stream))
		err = report_fail(report, report_whose(errno), "--config %s: cannot read it: %s",
				  path, strerror(errno));
	else if (len == SIZE_LIMIT)
		err = report_fail(report, REPORT_USER, "--config %s: has more than %u bytes", path,
				  SIZE_LIMIT);
	else
		err = take_text(&file, text, len);
	if (stream)
		fclose(stream);
	free(text);
	return err;
}
