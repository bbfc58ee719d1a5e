/*
 * Replays scenarios on TCP sockets of the running kernel: two connections, a with b and c with d, and the programs and
 * maps of scenario.bpf.o, whose path is the first argument. The second one is the time in milliseconds that each
 * operation gets for what it causes. Standard input has a command a line, standard output a line for each:
 *
 *   begin                           a child with fresh sockets and maps takes what follows, up to "end"
 *   attach SLOT, detach SLOT        msg, parser, stream or skb
 *   cfg INT...                      the words of "cfg"
 *   upd MAP KEY SOCK FLAGS, del MAP KEY
 *   send SOCK N, recv SOCK N MS, fion SOCK, err SOCK, shut SOCK HOW, close SOCK
 *   runs                            the programs' runs so far
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CFG_WORDS 34
#define EVENT_WORDS 12
#define BUFFER 65536

static const char *object_path;
static useconds_t pause_us;
static struct bpf_object *object;
static int socks[4], src, dst, hash, bss, nletters;
static __u32 bss_size;
static char buffer[BUFFER];

static const char *slots[] = {"msg", "parser", "stream", "skb"};
static const char *programs[] = {"msg_prog", "parser", "stream_verdict", "skb_verdict"};
static const int types[] = {BPF_SK_MSG_VERDICT, BPF_SK_SKB_STREAM_PARSER, BPF_SK_SKB_STREAM_VERDICT, BPF_SK_SKB_VERDICT};
static const char *prog_names[] = {"?", "msg", "parser", "sverdict", "kverdict"};
/* Offsets of the variables, in the order in which the compiler laid them out: found by name in main. */
static __u32 cfg_at, evs_at, nev_at;

static const char *error_name(int error)
{
	static char text[16];
	const char *name = strerrorname_np(error);

	if (name)
		return name;
	snprintf(text, sizeof(text), "%d", error);
	return text;
}

static void answer(const char *verb, long result)
{
	if (result < 0)
		printf("%s %s\n", verb, error_name(errno));
	else
		printf("%s %ld\n", verb, result);
}

static void connect_pair(int *client, int *server)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	bind(listener, (void *)&addr, length);
	listen(listener, 4);
	getsockname(listener, (void *)&addr, &length);
	*client = socket(AF_INET, SOCK_STREAM, 0);
	connect(*client, (void *)&addr, length);
	*server = accept(listener, 0, 0);
	close(listener);
	setsockopt(*client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(*server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static int map_fd(const char *name)
{
	return !strcmp(name, "src") ? src : !strcmp(name, "dst") ? dst : hash;
}

static void attach(const char *slot, int detach)
{
	for (int i = 0; i < 4; i++) {
		int program, result;

		if (strcmp(slot, slots[i]))
			continue;
		program = bpf_program__fd(bpf_object__find_program_by_name(object, programs[i]));
		result = detach ? bpf_prog_detach2(program, src, types[i]) : bpf_prog_attach(program, src, types[i], 0);
		errno = -result;
		answer(detach ? "detach" : "attach", result);
	}
}

/* The programs only read cfg: writing all of .bss back between operations loses nothing. */
static void configure(char *words)
{
	static char value[65536];
	__u32 key = 0;
	int *cfg = (int *)(value + cfg_at), i = 0;

	bpf_map_lookup_elem(bss, &key, value);
	for (char *word = strtok(words, " "); word && i < CFG_WORDS; word = strtok(NULL, " "))
		cfg[i++] = atoi(word);
	bpf_map_update_elem(bss, &key, value, 0);
	puts("cfg 0");
}

static void print_runs(void)
{
	static char value[65536];
	__u32 key = 0, n;
	int *event;

	bpf_map_lookup_elem(bss, &key, value);
	n = *(__u32 *)(value + nev_at);
	printf("runs %u", n);
	for (event = (int *)(value + evs_at); n--; event += EVENT_WORDS)
		printf(" {%s size=%d apply=%d cork=%d pull=%d push=%d pop=%d ret=%d}", prog_names[event[0]], event[1],
		       event[3], event[4], event[5], event[6], event[7], event[9]);
	puts("");
}

static void receive(int sock, int length, int timeout)
{
	struct pollfd wait = {socks[sock], POLLIN, 0};
	long got;

	poll(&wait, 1, timeout);
	got = recv(socks[sock], buffer, length, MSG_DONTWAIT);
	if (got <= 0)
		return answer("recv", got);
	printf("recv %ld \"%.*s\"\n", got, (int)got, buffer);
}

static void transmit(int sock, int length)
{
	for (int i = 0; i < length; i++)
		buffer[i] = 'a' + nletters++ % 26;
	answer("send", send(socks[sock], buffer, length, MSG_NOSIGNAL | MSG_DONTWAIT));
}

static void operate(char *line)
{
	char map[8] = "", name = 'a', *rest = strchr(line, ' ');
	unsigned int key = 0, flags = 0;
	int n = 0, ms = 0, sock, value = 0;
	socklen_t length = sizeof(value);
	__u64 fd;

	rest = rest ? rest + 1 : line;
	if (!strncmp(line, "attach", 6))
		return attach(rest, 0);
	if (!strncmp(line, "detach", 6))
		return attach(rest, 1);
	if (!strncmp(line, "cfg", 3))
		return configure(rest);
	if (!strncmp(line, "runs", 4))
		return print_runs();
	if (!strncmp(line, "upd", 3)) {
		sscanf(rest, "%7s %u %c %u", map, &key, &name, &flags);
		fd = socks[name - 'a'];
		return answer("upd", bpf_map_update_elem(map_fd(map), &key, &fd, flags) ? -1 : 0);
	}
	if (!strncmp(line, "del", 3)) {
		sscanf(rest, "%7s %u", map, &key);
		return answer("del", bpf_map_delete_elem(map_fd(map), &key) ? -1 : 0);
	}
	sscanf(rest, "%c %d %d", &name, &n, &ms);
	sock = name - 'a';
	if (!strncmp(line, "send", 4))
		transmit(sock, n);
	else if (!strncmp(line, "recv", 4))
		receive(sock, n, ms);
	else if (!strncmp(line, "fion", 4))
		answer("fion", ioctl(socks[sock], FIONREAD, &value) ? -1 : value);
	else if (!strncmp(line, "err", 3))
		answer("err", getsockopt(socks[sock], SOL_SOCKET, SO_ERROR, &value, &length) ? -1 : value);
	else if (!strncmp(line, "shut", 4))
		answer("shut", shutdown(socks[sock], n));
	else if (!strncmp(line, "close", 5))
		answer("close", close(socks[sock]));
}

static void set_up(void)
{
	struct bpf_map *data;

	object = bpf_object__open_file(object_path, NULL);
	if (!object || bpf_object__load(object)) {
		fprintf(stderr, "cannot load %s: %s\n", object_path, strerror(errno));
		exit(1);
	}
	src = bpf_object__find_map_fd_by_name(object, "src_map");
	dst = bpf_object__find_map_fd_by_name(object, "dst_map");
	hash = bpf_object__find_map_fd_by_name(object, "dst_hash");
	data = bpf_object__find_map_by_name(object, ".bss");
	bss = bpf_map__fd(data);
	bss_size = bpf_map__value_size(data);
	connect_pair(&socks[0], &socks[1]);
	connect_pair(&socks[2], &socks[3]);
}

int main(int argc, char **argv)
{
	static char lines[512][256];
	int n = 0;

	if (argc != 6)
		return 2;
	object_path = argv[1];
	pause_us = 1000 * atoi(argv[2]);
	cfg_at = atoi(argv[3]);
	evs_at = atoi(argv[4]);
	nev_at = atoi(argv[5]);
	signal(SIGPIPE, SIG_IGN);
	libbpf_set_print(NULL);
	while (n < 512 && fgets(lines[n], sizeof(lines[n]), stdin)) {
		lines[n][strcspn(lines[n], "\n")] = 0;
		if (!strcmp(lines[n], "begin")) {
			n = 0;
			continue;
		}
		if (strcmp(lines[n], "end")) {
			n++;
			continue;
		}
		fflush(stdout);
		/* A child of its own: the kernel collects small sends in a page of the task. */
		if (!fork()) {
			alarm(60);
			set_up();
			puts("begin");
			for (int i = 0; i < n; i++) {
				operate(lines[i]);
				usleep(pause_us);
			}
			fflush(stdout);
			_exit(0);
		}
		wait(NULL);
	}
	return 0;
}
