/* Says whether this process may call bpf(2): prints nothing where it may, else why not. */
#include <bpf/bpf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_SOCKMAP, "probe", 4, 4, 1, NULL);

	if (fd < 0)
		printf("bpf(BPF_MAP_CREATE): %s\n", strerror(-fd));
	else
		close(fd);
	return 0;
}
