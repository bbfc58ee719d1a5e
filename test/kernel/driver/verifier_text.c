/*
 * Loads each program of an object by itself into the running kernel and says how its verifier's log writes the
 * instructions. Arguments are paths of objects. Fields are separated by tabs, a record a line:
 *
 *   O path              begins an object
 *   P name errno hex    a program: what loading it gave, and its instructions as libbpf handed them over
 *   T pc text           the log's text of the instruction, e.g. `(b7) r0 = 0`; once for each that it names
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_SIZE (64 << 20)
#define MAX_SLOTS 1000000

static char *log_buf;
static char seen[MAX_SLOTS];

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

/*
 * Where an instruction's text begins in a line of the log, or NULL. The verifier writes `12: (bf) r6 = r1` where it
 * meets one, and before that, since Linux 6.15, a list of all of them: `1   12: .1........ (bf) r6 = r1`, with the
 * number of the loop that it is in, if any, and the registers that are alive.
 */
static char *find_text(char *line, unsigned long *pc)
{
	char *rest = line + strspn(line, " 0123456789"), *number = rest;

	if (strncmp(rest, ": ", 2))
		return NULL;
	while (number > line && number[-1] != ' ')
		number--;
	if (number == rest)
		return NULL;
	*pc = strtoul(number, NULL, 10);
	rest += 2;
	if (strspn(rest, ".0123456789") == 10)
		rest += 11;
	return *rest == '(' ? rest : NULL;
}

static void print_texts(void)
{
	char *end;

	memset(seen, 0, sizeof(seen));
	for (char *line = log_buf; line && *line; line = end ? end + 1 : NULL) {
		char *text, *note;
		unsigned long pc;

		end = strchr(line, '\n');
		if (end)
			*end = 0;
		text = find_text(line, &pc);
		if (!text || pc >= MAX_SLOTS || seen[pc])
			continue;
		seen[pc] = 1;
		/* Only the verifier's remark follows a semicolon. */
		note = strchr(text, ';');
		if (note)
			*note = 0;
		for (note = text + strlen(text); note > text && note[-1] == ' ';)
			*--note = 0;
		printf("T\t%lu\t%s\n", pc, text);
	}
}

static void load_one(const char *path, const char *name)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	struct bpf_program *program, *chosen = NULL;
	const unsigned char *bytes;
	int error;

	if (!object)
		return;
	bpf_object__for_each_program(program, object) {
		int wanted = !strcmp(bpf_program__name(program), name);

		bpf_program__set_autoload(program, wanted);
		if (wanted)
			chosen = program;
	}
	*log_buf = 0;
	bpf_program__set_log_level(chosen, 2);
	bpf_program__set_log_buf(chosen, log_buf, LOG_SIZE);
	error = -bpf_object__load(object);
	bytes = (const unsigned char *)bpf_program__insns(chosen);
	printf("P\t%s\t%d\t", name, error);
	for (size_t i = 0; i < 8 * bpf_program__insn_cnt(chosen); i++)
		printf("%02x", bytes[i]);
	printf("\n");
	print_texts();
	bpf_object__close(object);
}

static void load_all(const char *path)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	struct bpf_program *program;

	printf("O\t%s\n", path);
	if (!object)
		return;
	bpf_object__for_each_program(program, object)
		load_one(path, bpf_program__name(program));
	bpf_object__close(object);
}

int main(int argc, char **argv)
{
	log_buf = malloc(LOG_SIZE);
	if (!log_buf)
		return 1;
	libbpf_set_print(quiet);
	for (int i = 1; i < argc; i++)
		load_all(argv[i]);
	return 0;
}
