/*
 * Performs map operations in the running kernel. Standard input has one a line, standard output its result: OK and the
 * bytes that came back as hex, or the errno. The first line of output is the number of possible CPUs.
 *
 *   create TYPE KEY_SIZE VALUE_SIZE MAX_ENTRIES FLAGS EXTRA      the map of the following lines
 *   update KEY VALUE FLAGS | lookup KEY FLAGS | delete KEY | next KEY | take KEY FLAGS | freeze
 *
 * Keys and values are hex, - is none. "take" looks up and deletes.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_BYTES (1 << 20)

static unsigned char key[MAX_BYTES], value[MAX_BYTES], next[MAX_BYTES];
static char line[4 * MAX_BYTES], key_text[MAX_BYTES], value_text[2 * MAX_BYTES];
static unsigned int key_size, value_size;

/* NULL for "-". */
static void *parse(const char *text, unsigned char *bytes)
{
	if (!strcmp(text, "-"))
		return NULL;
	for (size_t i = 0; text[2 * i] && text[2 * i + 1]; i++) {
		char digits[3] = { text[2 * i], text[2 * i + 1], 0 };
		bytes[i] = strtoul(digits, NULL, 16);
	}
	return bytes;
}

static void report(int result, const unsigned char *bytes, unsigned int size)
{
	if (result < 0) {
		printf("%d\n", errno);
		return;
	}
	printf("OK");
	if (bytes && size) {
		putchar(' ');
		for (unsigned int i = 0; i < size; i++)
			printf("%02x", bytes[i]);
	}
	putchar('\n');
}

static int create(int cpus)
{
	unsigned int type, max_entries, flags;
	unsigned long long extra;

	if (sscanf(line, "create %u %u %u %u %u %llu", &type, &key_size, &value_size, &max_entries, &flags,
		   &extra) != 6)
		exit(2);
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = flags, .map_extra = extra);
	int fd = bpf_map_create(type, "conformance", key_size, value_size, max_entries, &opts);
	if (type == BPF_MAP_TYPE_PERCPU_ARRAY || type == BPF_MAP_TYPE_PERCPU_HASH ||
	    type == BPF_MAP_TYPE_LRU_PERCPU_HASH)
		value_size = (value_size + 7) / 8 * 8 * cpus;
	report(fd, NULL, 0);
	return fd;
}

int main(void)
{
	int fd = -1, cpus = libbpf_num_possible_cpus();
	unsigned long long flags;

	printf("%d\n", cpus);
	while (fgets(line, sizeof(line), stdin)) {
		flags = 0;
		if (!strncmp(line, "create", 6)) {
			if (fd >= 0)
				close(fd);
			fd = create(cpus);
		} else if (sscanf(line, "update %s %s %llu", key_text, value_text, &flags) == 3) {
			report(bpf_map_update_elem(fd, parse(key_text, key), parse(value_text, value), flags), NULL, 0);
		} else if (sscanf(line, "lookup %s %llu", key_text, &flags) == 2) {
			report(bpf_map_lookup_elem_flags(fd, parse(key_text, key), value, flags), value, value_size);
		} else if (sscanf(line, "take %s %llu", key_text, &flags) == 2) {
			report(bpf_map_lookup_and_delete_elem_flags(fd, parse(key_text, key), value, flags), value,
			       value_size);
		} else if (sscanf(line, "delete %s", key_text) == 1) {
			report(bpf_map_delete_elem(fd, parse(key_text, key)), NULL, 0);
		} else if (sscanf(line, "next %s", key_text) == 1) {
			report(bpf_map_get_next_key(fd, parse(key_text, key), next), next, key_size);
		} else if (!strncmp(line, "freeze", 6)) {
			report(bpf_map_freeze(fd), NULL, 0);
		} else {
			return 2;
		}
	}
	return 0;
}
