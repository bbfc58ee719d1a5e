/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times programs in the running kernel by BPF_PROG_TEST_RUN. Reads from stdin: u32 nanoseconds to spend on each, u32
 * length of the packet, the packet, then per program u32 number of map values (0: no map), u32 slots and the slots. A
 * lddw of source 1 refers to the one map, an array of u64. Prints per program the result of its first run and the
 * nanoseconds of a run. Only bpf(2): no library.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static char verifier_log[1 << 16];

static int bpf(int cmd, union bpf_attr *attr)
{
	return syscall(__NR_bpf, cmd, attr, sizeof(*attr));
}

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static uint32_t read_word(uint32_t *word)
{
	return fread(word, sizeof(*word), 1, stdin) == 1;
}

static void *read_bytes(size_t size)
{
	void *bytes = malloc(size);

	if (!bytes || fread(bytes, 1, size, stdin) != size) {
		fprintf(stderr, "input ends early\n");
		exit(1);
	}
	return bytes;
}

static int create_map(uint32_t entries)
{
	union bpf_attr attr = {};
	int fd;

	attr.map_type = BPF_MAP_TYPE_ARRAY;
	attr.key_size = 4;
	attr.value_size = 8;
	attr.max_entries = entries;
	fd = bpf(BPF_MAP_CREATE, &attr);
	if (fd < 0)
		fail("BPF_MAP_CREATE");
	return fd;
}

static int load(struct bpf_insn *insns, uint32_t count)
{
	union bpf_attr attr = {};
	int fd;

	attr.prog_type = BPF_PROG_TYPE_SCHED_CLS;
	attr.insns = (uint64_t)(uintptr_t)insns;
	attr.insn_cnt = count;
	attr.license = (uint64_t)(uintptr_t)"GPL";
	fd = bpf(BPF_PROG_LOAD, &attr);
	if (fd >= 0)
		return fd;
	attr.log_level = 1;
	attr.log_buf = (uint64_t)(uintptr_t)verifier_log;
	attr.log_size = sizeof(verifier_log);
	bpf(BPF_PROG_LOAD, &attr);
	fprintf(stderr, "BPF_PROG_LOAD: %s\n%s", strerror(errno), verifier_log + (strlen(verifier_log) > 2000 ? strlen(verifier_log) - 2000 : 0));
	exit(1);
}

static void test_run(union bpf_attr *attr)
{
	if (bpf(BPF_PROG_TEST_RUN, attr))
		fail("BPF_PROG_TEST_RUN");
}

int main(void)
{
	uint32_t budget, packet_size, entries, count;
	void *packet;

	if (!read_word(&budget) || !read_word(&packet_size))
		return 1;
	packet = read_bytes(packet_size);
	while (read_word(&entries) && read_word(&count)) {
		struct bpf_insn *insns = read_bytes(count * sizeof(*insns));
		int map = entries ? create_map(entries) : -1;
		union bpf_attr attr = {};
		int fd;

		for (uint32_t i = 0; i < count; i++)
			if (insns[i].code == (BPF_LD | BPF_IMM | BPF_DW) && insns[i].src_reg == BPF_PSEUDO_MAP_FD)
				insns[i].imm = map;
		fd = load(insns, count);
		attr.test.prog_fd = fd;
		attr.test.data_in = (uint64_t)(uintptr_t)packet;
		attr.test.data_size_in = packet_size;
		attr.test.repeat = 1;
		test_run(&attr);
		printf("%d ", (int)attr.test.retval);
		attr.test.repeat = 100;
		test_run(&attr);
		attr.test.repeat = budget / (attr.test.duration + 1) + 1;
		test_run(&attr);
		printf("%u\n", attr.test.duration);
		close(fd);
		if (map >= 0)
			close(map);
		free(insns);
	}
	return 0;
}
