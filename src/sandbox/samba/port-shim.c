/*
 * Samba's LDAP ports are compiled in. Preloaded (LD_PRELOAD), this lets it listen on others: PORT_SHIM="389=15389,636=15636".
 * bind() goes to the new port, and getsockname() tells the old one, since Samba chooses TLS by the number of the local port.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* The other number of a pair, whose first is looked for, or with `back` its second; the number itself where there is no pair. */
static int mapped(int port, int back) {
  const char *at = getenv("PORT_SHIM");
  while (at != NULL && *at != '\0') {
    char *end;
    long from = strtol(at, &end, 10);
    if (*end != '=') break;
    long to = strtol(end + 1, &end, 10);
    if (port == (back ? to : from)) return (int)(back ? from : to);
    at = *end == ',' ? end + 1 : NULL;
  }
  return port;
}

static int is_internet(const struct sockaddr *address, socklen_t length) {
  if (address == NULL || length < sizeof(struct sockaddr_in)) return 0;
  return address->sa_family == AF_INET || address->sa_family == AF_INET6;
}

/* The port lies at the same place in sockaddr_in and sockaddr_in6. */
int bind(int fd, const struct sockaddr *address, socklen_t length) {
  int (*next)(int, const struct sockaddr *, socklen_t);
  *(void **)&next = dlsym(RTLD_NEXT, "bind");
  struct sockaddr_storage copy;
  if (!is_internet(address, length) || length > sizeof copy) return next(fd, address, length);
  memcpy(&copy, address, length);
  struct sockaddr_in *changed = (struct sockaddr_in *)&copy;
  changed->sin_port = htons(mapped(ntohs(changed->sin_port), 0));
  return next(fd, (struct sockaddr *)&copy, length);
}

int getsockname(int fd, struct sockaddr *address, socklen_t *length) {
  int (*next)(int, struct sockaddr *, socklen_t *);
  *(void **)&next = dlsym(RTLD_NEXT, "getsockname");
  int result = next(fd, address, length);
  if (result == 0 && is_internet(address, *length)) {
    struct sockaddr_in *changed = (struct sockaddr_in *)address;
    changed->sin_port = htons(mapped(ntohs(changed->sin_port), 1));
  }
  return result;
}
