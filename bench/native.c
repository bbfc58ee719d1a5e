/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times the workloads as native code. Takes the nanoseconds to spend on each as argument and the packet on stdin, and
 * prints for each the result of its first run and the nanoseconds of processor time of a run.
 */
#define NATIVE
#include "programs/alu64.bpf.c"
#include "programs/alu32.bpf.c"
#include "programs/mem.bpf.c"
#include "programs/div64.bpf.c"
#include "programs/filter.bpf.c"
#include "programs/calls.bpf.c"
#include "programs/helper.bpf.c"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Volatile, so that every run is a call. */
static int (*volatile workloads[])(CTX *) = { alu64, alu32, mem, div64, filter, calls, helper };

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv)
{
	static unsigned char bytes[4096];
	CTX ctx = { bytes, bytes + fread(bytes, 1, sizeof(bytes), stdin) };
	double budget = argc > 1 ? atof(argv[1]) : 1e8;

	for (unsigned int i = 0; i < sizeof(workloads) / sizeof(*workloads); i++) {
		double start, spent;
		long runs = 1;

		printf("%d ", workloads[i](&ctx));
		for (;; runs *= 2) {
			start = now();
			for (long j = 0; j < runs; j++)
				workloads[i](&ctx);
			spent = now() - start;
			if (spent > budget / 2)
				break;
		}
		printf("%.3f\n", spent / runs);
	}
	return 0;
}
