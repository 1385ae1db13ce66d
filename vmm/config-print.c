/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Settings to a configuration file: in the order of the table, whatever it was on the command line,
 * devices in their own.
 */
#include "vmm/config.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/options-impl.h"

/* A number as one where it stays what it is. */
static json_t *make_number(const struct setting *setting)
{
	char again[32];
	long long number;

	if (!setting->row || !(setting->row->flags & OPTION_NUMBER))
		return NULL;
	number = strtoll(setting->value, NULL, 10);
	snprintf(again, sizeof(again), "%lld", number);
	return strcmp(again, setting->value) == 0 ? json_integer(number) : NULL;
}

static json_t *make_value(const struct setting *setting, struct report *report)
{
	json_t *value = setting->value ? make_number(setting) : json_true();

	if (!value)
		value = json_string(setting->value);
	if (!value)
		report_fail(report, REPORT_USER,
			    "--print-config: the argument of %s%s is not UTF-8, which JSON is",
			    setting_is_word(setting) ? "" : "--", setting_name(setting));
	return value;
}

static int put_row(json_t *root, const struct options *options, const struct option_row *row,
		   struct report *report)
{
	json_t *list = row->flags & OPTION_MANY ? json_array() : NULL;
	int err = 0;

	for (size_t i = 0; i < options->setting_count && !err; i++) {
		json_t *value;

		if (options->settings[i].row != row)
			continue;
		value = make_value(&options->settings[i], report);
		if (!value)
			err = -1;
		else if (list)
			json_array_append_new(list, value);
		else
			json_object_set_new(root, row->name, value);
	}
	if (list && json_array_size(list))
		json_object_set(root, row->name, list);
	json_decref(list);
	return err;
}

static int put_devices(json_t *root, const struct options *options, struct report *report)
{
	json_t *list = json_array();
	int err = 0;

	for (size_t i = 0; i < options->setting_count && !err; i++) {
		const struct setting *setting = &options->settings[i];
		json_t *value = setting->type ? make_value(setting, report) : NULL;

		if (value)
			json_array_append_new(list, json_pack("{s:o}", setting->type->name, value));
		else if (setting->type)
			err = -1;
	}
	if (json_array_size(list))
		json_object_set(root, "devices", list);
	json_decref(list);
	return err;
}

int config_print(const struct options *options, FILE *out, struct report *report)
{
	json_t *root = json_object();
	int err = put_row(root, options, &option_kernel, report);

	for (const struct option_row *row = option_rows; row->name && !err; row++)
		err = put_row(root, options, row, report);
	if (!err)
		err = put_devices(root, options, report);
	if (!err)
		err = put_row(root, options, &option_arguments, report);
	if (!err && (json_dumpf(root, out, JSON_INDENT(2)) || fputc('\n', out) < 0))
		err = report_fail(report, REPORT_HOST, "--print-config: cannot be written");
	json_decref(root);
	return err;
}
