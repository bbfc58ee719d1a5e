/*
 * Asks the running kernel's verifier about programs of type sched_cls. Standard input has a record a program, its size
 * and its bytes, standard output the errno of loading each, 0 where it was accepted; numbers are 32-bit,
 * little-endian. Loads of map 1 refer to an array of one value of 16 bytes.
 *
 * Given an argument, it writes the verifier's log of refused programs to standard error.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <unistd.h>

#define MAX_PROGRAM (8 * 65536)
#define LDDW (BPF_LD | BPF_IMM | BPF_DW)

static unsigned char program[MAX_PROGRAM];
static char log_buf[1 << 20];

int main(int argc, char **argv)
{
	int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "values", 4, 16, 1, NULL);
	unsigned int size;

	if (map < 0)
		return 1;
	while (fread(&size, 4, 1, stdin) == 1 && size <= MAX_PROGRAM && fread(program, 1, size, stdin) == size) {
		LIBBPF_OPTS(bpf_prog_load_opts, opts);
		struct bpf_insn *insns = (struct bpf_insn *)program;
		unsigned int count = size / 8, error;
		int fd;

		for (unsigned int i = 0; i < count; i++) {
			if (insns[i].code == LDDW && insns[i].src_reg == BPF_PSEUDO_MAP_FD)
				insns[i].imm = map;
		}
		if (argc > 1) {
			log_buf[0] = 0;
			opts.log_buf = log_buf;
			opts.log_size = sizeof(log_buf);
			opts.log_level = 2;
		}
		fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, NULL, "GPL", insns, count, &opts);
		error = fd < 0 ? -fd : 0;
		if (fd >= 0)
			close(fd);
		if (argc > 1)
			fprintf(stderr, "%s\n", log_buf);
		fwrite(&error, 4, 1, stdout);
	}
	return 0;
}
