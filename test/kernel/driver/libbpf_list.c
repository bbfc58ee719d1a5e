/*
 * Says what libbpf makes of objects, without a kernel: the bpf(2) calls of libbpf end here, where every map and every
 * program succeeds and gets an empty file as its descriptor. Arguments are paths of objects. Fields are separated by
 * tabs, a record a line:
 *
 *   O path                                                               begins an object
 *   E open errno warnings                                                it was refused
 *   L license
 *   P name section type attach_type autoload slots                       a program as it is in the file
 *   M name type key_size value_size max_entries flags extra numa pinned autocreate
 *   I type key_size value_size max_entries flags                         the inner map of the M before
 *   F fd name                                                            the number of a map in the R that follow
 *   R name type attach_type flags functions lines hex                    a program as it would be loaded
 *   E load|PROGRAM errno warnings                                        the object, a program was refused at load
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static char warnings[4096];
/* The object under load, for telling its programs from those by which libbpf probes the kernel. */
static struct bpf_object *loading;
/* The last map created, and how many of the object's maps have got their descriptor. */
static char created[BPF_OBJ_NAME_LEN];
static enum bpf_map_type created_type;
static int numbered;

static int note(enum libbpf_print_level level, const char *format, va_list args)
{
	char line[512];
	size_t used = strlen(warnings);

	if (level != LIBBPF_WARN)
		return 0;
	vsnprintf(line, sizeof(line), format, args);
	for (char *c = line; *c; c++)
		if (*c == '\n' || *c == '\t')
			*c = ' ';
	snprintf(warnings + used, sizeof(warnings) - used, "%s", line);
	return 0;
}

static int empty_file(void)
{
	int fd = memfd_create("bpf", MFD_CLOEXEC);

	/* libbpf maps the descriptors of data sections into its memory. */
	if (fd >= 0 && ftruncate(fd, 1L << 32))
		return -1;
	return fd;
}

static void print_hex(const void *bytes, size_t size)
{
	for (const unsigned char *b = bytes; size-- > 0; b++)
		printf("%02x", *b);
}

static void print_program(const union bpf_attr *attr)
{
	struct bpf_program *prog;

	if (!loading)
		return;
	bpf_object__for_each_program(prog, loading) {
		if (bpf_program__insns(prog) != (void *)(unsigned long)attr->insns)
			continue;
		printf("R\t%s\t%u\t%u\t%u\t%u\t%u\t", bpf_program__name(prog), attr->prog_type,
		       attr->expected_attach_type, attr->prog_flags, attr->func_info_cnt, attr->line_info_cnt);
		print_hex((void *)(unsigned long)attr->insns, attr->insn_cnt * 8UL);
		putchar('\n');
	}
}

/* libbpf chose the descriptors of maps before it creates them: the new map is moved there. Maps are created in the
 * order of the object, under their names cut to 15 characters; inner maps, which programs cannot name, in between. */
static void print_number(int fd)
{
	struct bpf_map *map;
	int n = 0;

	if (!loading)
		return;
	bpf_object__for_each_map(map, loading) {
		if (n++ < numbered || bpf_map__type(map) != created_type ||
		    strncmp(bpf_map__name(map), created, sizeof(created) - 1))
			continue;
		printf("F\t%d\t%s\n", fd, bpf_map__name(map));
		numbered = n;
		return;
	}
}

static long fake_bpf(int cmd, const union bpf_attr *attr)
{
	switch (cmd) {
	case BPF_PROG_LOAD:
		print_program(attr);
		return empty_file();
	case BPF_MAP_CREATE:
		snprintf(created, sizeof(created), "%s", attr->map_name);
		created_type = attr->map_type;
		return empty_file();
	case BPF_BTF_LOAD:
		return empty_file();
	case BPF_MAP_UPDATE_ELEM:
	case BPF_MAP_FREEZE:
	case BPF_PROG_BIND_MAP:
		return 0;
	default:
		/* No modules, no pinned maps, nothing to ask about. */
		errno = ENOENT;
		return -1;
	}
}

/* In place of libc's. libbpf uses it for bpf(2) and a few others. */
long syscall(long number, ...)
{
	va_list args;
	long a, b, c;

	va_start(args, number);
	a = va_arg(args, long);
	b = va_arg(args, long);
	c = va_arg(args, long);
	va_end(args);
	if (number == SYS_bpf)
		return fake_bpf(a, (const union bpf_attr *)b);
	if (number == SYS_memfd_create)
		return memfd_create((const char *)a, b);
	if (number == SYS_dup3) {
		print_number(b);
		return dup3(a, b, c);
	}
	errno = ENOSYS;
	return -1;
}

/* The pinning path is set where the object asks for it. */
static void print_map(struct bpf_map *map)
{
	struct bpf_map *inner = bpf_map__inner_map(map);

	printf("M\t%s\t%u\t%u\t%u\t%u\t%u\t%llu\t%u\t%d\t%d\n", bpf_map__name(map), bpf_map__type(map),
	       bpf_map__key_size(map), bpf_map__value_size(map), bpf_map__max_entries(map), bpf_map__map_flags(map),
	       (unsigned long long)bpf_map__map_extra(map), bpf_map__numa_node(map), bpf_map__pin_path(map) != NULL,
	       bpf_map__autocreate(map));
	if (inner)
		printf("I\t%u\t%u\t%u\t%u\t%u\n", bpf_map__type(inner), bpf_map__key_size(inner),
		       bpf_map__value_size(inner), bpf_map__max_entries(inner), bpf_map__map_flags(inner));
}

static void print_object(struct bpf_object *obj)
{
	struct bpf_program *prog;
	struct bpf_map *map;

	bpf_object__for_each_program(prog, obj) {
		printf("P\t%s\t%s\t%u\t%u\t%d\t%zu\n", bpf_program__name(prog), bpf_program__section_name(prog),
		       bpf_program__type(prog), bpf_program__expected_attach_type(prog), bpf_program__autoload(prog),
		       bpf_program__insn_cnt(prog));
	}
	bpf_object__for_each_map(map, obj)
		print_map(map);
}

/* A function of the kernel that any program of this sort may be attached to: only its instructions matter here. */
static const char *some_target(struct bpf_program *prog)
{
	if (bpf_program__type(prog) == BPF_PROG_TYPE_LSM)
		return "file_open";
	switch (bpf_program__expected_attach_type(prog)) {
	case BPF_TRACE_RAW_TP:
		return "sys_enter";
	case BPF_TRACE_ITER:
		return "task";
	default:
		return "do_nanosleep";
	}
}

static void prepare(struct bpf_object *obj)
{
	struct bpf_program *prog;
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj) {
		bpf_map__set_pin_path(map, NULL);
		bpf_map__set_autocreate(map, true);
	}
	bpf_object__for_each_program(prog, obj) {
		switch (bpf_program__type(prog)) {
		case BPF_PROG_TYPE_TRACING:
		case BPF_PROG_TYPE_LSM:
		case BPF_PROG_TYPE_EXT:
			bpf_program__set_attach_target(prog, 0, some_target(prog));
			break;
		case BPF_PROG_TYPE_UNSPEC:
			bpf_program__set_type(prog, BPF_PROG_TYPE_SOCKET_FILTER);
			break;
		default:
			break;
		}
	}
}

static int load(struct bpf_object *obj)
{
	int err;

	prepare(obj);
	warnings[0] = '\0';
	numbered = 0;
	loading = obj;
	err = bpf_object__load(obj);
	loading = NULL;
	return err;
}

/* Loads program by program where the object as a whole is refused. */
static void load_each(const char *path, int count)
{
	for (int i = 0; i < count; i++) {
		struct bpf_object *obj = bpf_object__open_file(path, NULL);
		struct bpf_program *prog, *wanted = NULL;
		int n = 0;

		if (!obj)
			return;
		bpf_object__for_each_program(prog, obj) {
			bpf_program__set_autoload(prog, n == i);
			if (n++ == i)
				wanted = prog;
		}
		if (load(obj))
			printf("E\t%s\t%d\t%s\n", bpf_program__name(wanted), errno, warnings);
		bpf_object__close(obj);
	}
}

static void list(const char *path)
{
	struct bpf_object *obj;
	struct bpf_program *prog;
	int count = 0, err;

	printf("O\t%s\n", path);
	warnings[0] = '\0';
	obj = bpf_object__open_file(path, NULL);
	if (!obj) {
		printf("E\topen\t%d\t%s\n", errno, warnings);
		return;
	}
	print_object(obj);
	bpf_object__for_each_program(prog, obj) {
		bpf_program__set_autoload(prog, true);
		count++;
	}
	err = load(obj);
	if (err)
		printf("E\tload\t%d\t%s\n", errno, warnings);
	bpf_object__close(obj);
	if (err)
		load_each(path, count);
}

int main(int argc, char **argv)
{
	libbpf_set_print(note);
	for (int i = 1; i < argc; i++)
		list(argv[i]);
	return 0;
}
