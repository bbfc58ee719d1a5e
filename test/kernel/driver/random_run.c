/*
 * Runs programs of type sched_cls in the running kernel by BPF_PROG_TEST_RUN. Standard input has a record a program,
 * standard output the answer to each; numbers are 32-bit, little-endian:
 *
 *   input    size of the program, its bytes, size of the packet, its bytes
 *   output   errno of loading or running it, return value, size of the packet afterwards, its bytes
 *
 * Given an argument, it writes the end of the verifier's log of refused programs to standard error.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_PROGRAM (8 * 65536)
#define MAX_PACKET 4096
#define LOG_TAIL 1500

static unsigned char program[MAX_PROGRAM], packet[MAX_PACKET], after[MAX_PACKET];
static char log_buf[1 << 24];

static int read_record(unsigned char *bytes, unsigned int limit, unsigned int *size)
{
	return fread(size, 4, 1, stdin) == 1 && *size <= limit && fread(bytes, 1, *size, stdin) == *size;
}

static void print_log(unsigned int size)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .log_buf = log_buf, .log_size = sizeof(log_buf), .log_level = 1);
	size_t length;

	bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, NULL, "GPL", (struct bpf_insn *)program, size / 8, &opts);
	length = strlen(log_buf);
	fprintf(stderr, "%s\n", log_buf + (length > LOG_TAIL ? length - LOG_TAIL : 0));
}

int main(int argc, char **argv)
{
	unsigned int size, packet_size;

	while (read_record(program, MAX_PROGRAM, &size) && read_record(packet, MAX_PACKET, &packet_size)) {
		LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet, .data_size_in = packet_size, .data_out = after,
			    .data_size_out = sizeof(after), .repeat = 1);
		int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, NULL, "GPL", (struct bpf_insn *)program, size / 8, NULL);
		int error = fd < 0 ? -fd : -bpf_prog_test_run_opts(fd, &run);
		unsigned int answer[3] = { error, error ? 0 : run.retval, error ? 0 : run.data_size_out };

		if (fd >= 0)
			close(fd);
		else if (argc > 1)
			print_log(size);
		fwrite(answer, 4, 3, stdout);
		fwrite(after, 1, answer[2], stdout);
	}
	return 0;
}
