/* Pushes the lines `timestamp,value` of a CSV file to a topic, timestamps in milliseconds since 1970 or as `YYYY-MM-DD hh:mm:ss` (UTC; also with a
 * T between, a fraction of the second, a Z behind). Lines of another form are skipped.
 * Exactly once, whatever happens to the broker or the network meanwhile: ends when all lines are acknowledged.
 *     push_csv [-p PARTITION] [-s SESSION] HOST PORT TOPIC FILE        FILE may be - for standard input
 * It shows how the library is used: one buffer for readings, one for frames, a transport of two functions, a loop.
 * Exit: 0 all stored, 1 some refused or no line of that form, 2 usage, 3 nothing acknowledged for a minute, or another program has the session. */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "rivulet_sensor.h"

enum { PAUSE_FIRST_MS = 100, PAUSE_MAX_MS = 5000, PATIENCE_MS = 60000, TICK_MS = 100 };

typedef struct {
    rvs_sensor sensor;
    rvs_alias alias;
    const char *host, *port;
    int fd;         /* -1: none */
    int connecting; /* connect() is under way */
    uint32_t pause_ms, pause_from;
    uint32_t settled_at; /* when it last got further */
    uint8_t ring[16384];
    uint8_t out[2048];
} program;

static uint32_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint32_t)((uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u);
}

/* ---- what the library asks of us ---- */

static int on_write(void *context, const uint8_t *bytes, size_t count) {
    const program *const p = context;
    const ssize_t n = send(p->fd, bytes, count, MSG_NOSIGNAL);
    if (n >= 0) return (int)n;
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
}

static void on_event(void *context, const rvs_event *event) {
    program *const p = context;
    switch (event->kind) {
    case RVS_EVENT_SETTLED: /* a connection alone is no progress: it may break at once, again and again */
        p->pause_ms = PAUSE_FIRST_MS;
        p->settled_at = now_ms();
        break;
    case RVS_EVENT_FORGOTTEN: fprintf(stderr, "the broker has forgotten this session: some lines may be stored twice\n"); break;
    case RVS_EVENT_ALIAS:
        if (event->error != 0) fprintf(stderr, "%s: error %u\n", p->alias.topic, event->error);
        break;
    case RVS_EVENT_REFUSED: fprintf(stderr, "reading %" PRIu64 " and %" PRIu32 " more refused: error %u\n", event->first, event->count - 1, event->error); break;
    default: break;
    }
}

/* ---- the transport ---- */

static void disconnect(program *p) {
    if (p->fd >= 0) close(p->fd);
    p->fd = -1;
    p->pause_from = now_ms();
    if (rvs_state(&p->sensor) != RVS_IDLE && rvs_error(&p->sensor) != 0) fprintf(stderr, "connection broken: error %d\n", rvs_error(&p->sensor));
    rvs_disconnected(&p->sensor);
}

static void start_connecting(program *p) {
    struct addrinfo hints, *found = NULL;
    const int on = 1;
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    p->pause_from = now_ms();
    p->pause_ms = p->pause_ms * 2 < PAUSE_MAX_MS ? p->pause_ms * 2 : PAUSE_MAX_MS; /* if this one fails */
    if (getaddrinfo(p->host, p->port, &hints, &found) != 0) return;
    p->fd = socket(found->ai_family, found->ai_socktype, found->ai_protocol);
    if (p->fd >= 0) {
        fcntl(p->fd, F_SETFL, O_NONBLOCK);
        setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        p->connecting = 1;
        if (connect(p->fd, found->ai_addr, found->ai_addrlen) != 0 && errno != EINPROGRESS) disconnect(p);
    }
    freeaddrinfo(found);
}

static void take_bytes(program *p) {
    uint8_t bytes[1024];
    const ssize_t n = recv(p->fd, bytes, sizeof bytes, 0);
    if (n > 0) {
        rvs_receive(&p->sensor, bytes, (size_t)n, now_ms());
    } else if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
        disconnect(p);
    }
}

/* Waits for the socket, at most a tick. */
static void turn(program *p) {
    struct pollfd socket_events;
    const uint32_t now = now_ms();
    if (p->fd < 0 && now - p->pause_from >= p->pause_ms) start_connecting(p);
    socket_events.fd = p->fd; /* -1 is left out */
    socket_events.events = (short)(p->connecting ? POLLOUT : POLLIN);
    socket_events.revents = 0;
    poll(&socket_events, 1, TICK_MS);
    if (p->fd < 0) return;
    if (p->connecting) {
        int error = 0;
        socklen_t size = sizeof error;
        if (socket_events.revents == 0) {
            if (now_ms() - p->pause_from > PAUSE_MAX_MS) {
                p->connecting = 0;
                disconnect(p);
            }
            return;
        }
        p->connecting = 0;
        getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) {
            disconnect(p);
            return;
        }
        rvs_open(&p->sensor, now_ms());
    } else if (socket_events.revents != 0) {
        take_bytes(p);
    }
    if (p->fd >= 0 && rvs_poll(&p->sensor, now_ms()) == RVS_BROKEN) disconnect(p);
}

/* ---- the file ---- */

static uint64_t random_number(void) {
    uint64_t number = 0;
    FILE *const file = fopen("/dev/urandom", "rb");
    if (!file || fread(&number, sizeof number, 1, file) != 1) {
        fprintf(stderr, "/dev/urandom cannot be read\n");
        number = (uint64_t)time(NULL) << 20 ^ (uint64_t)getpid();
    }
    if (file) fclose(file);
    return number != 0 ? number : 1;
}

static int two_digits(const char *at, unsigned most) {
    const unsigned n = at[0] < '0' || at[0] > '9' || at[1] < '0' || at[1] > '9' ? 100u : (unsigned)(at[0] - '0') * 10u + (unsigned)(at[1] - '0');
    return n <= most ? (int)n : -1;
}

/* YYYY-MM-DD hh:mm:ss, from 1970 on; *end is behind it. 0: it is something else. */
static int parse_date(const char *line, uint64_t *time_ms, const char **end) {
    static const char form[] = "dddd-dd-dd dd:dd:dd";
    static const unsigned most[] = {99, 99, 12, 31, 23, 59, 59};
    int part[7];
    int64_t year, month;
    size_t i, n = 0;
    uint32_t weight = 100;
    for (i = 0; form[i] != 0; ++i) {
        if (form[i] != 'd') {
            if (line[i] != form[i] && (form[i] != ' ' || line[i] != 'T')) return 0;
        } else {
            part[n] = two_digits(line + i, most[n]);
            if (part[n++] < 0) return 0;
            ++i;
        }
    }
    /* Days of years that begin in March: the leap day is the last. */
    month = (part[2] + 9) % 12;
    year = part[0] * 100 + part[1] - month / 10;
    if (part[2] == 0 || part[3] == 0 || part[0] * 100 + part[1] < 1970) return 0;
    year = year * 365 + year / 4 - year / 100 + year / 400 + (month * 306 + 5) / 10 + part[3] - 1 - 719468;
    *time_ms = (uint64_t)(((year * 24 + part[4]) * 60 + part[5]) * 60 + part[6]) * 1000u;
    line += i;
    if (*line == '.')
        for (++line; *line >= '0' && *line <= '9'; ++line, weight /= 10) *time_ms += (uint64_t)(*line - '0') * weight;
    if (*line == 'Z') ++line;
    *end = line;
    return 1;
}

/* The next reading of the file; 0 at its end. */
static int next_line(FILE *file, char *line, int size, uint64_t *time_ms, const char **value) {
    while (fgets(line, size, file)) {
        const char *end = line;
        const size_t length = strcspn(line, "\r\n");
        line[length] = 0;
        errno = 0;
        if (!parse_date(line, time_ms, &end)) {
            char *behind;
            *time_ms = strtoull(line, &behind, 10);
            end = behind;
        }
        if (end != line && *end == ',' && errno == 0 && line[0] != '-') {
            *value = end + 1;
            return 1;
        }
        if (length != 0) fprintf(stderr, "skipped: %s\n", line);
    }
    return 0;
}

static int push(program *p, FILE *file) {
    char line[1100];
    const char *value = NULL;
    uint64_t time_ms = 0;
    int more = next_line(file, line, sizeof line, &time_ms, &value);
    p->settled_at = now_ms();
    while (more || rvs_waiting(&p->sensor) != 0) {
        while (more) {
            int result;
            if (rvs_waiting(&p->sensor) == 0) p->settled_at = now_ms(); /* patience begins with what waits */
            result = rvs_put(&p->sensor, 0, NULL, 0, value, strlen(value), time_ms);
            if (result == RVS_FULL) break; /* goes on when acknowledgements have made room */
            if (result == RVS_INVALID) fprintf(stderr, "skipped: %s\n", line);
            more = next_line(file, line, sizeof line, &time_ms, &value);
        }
        if (p->fd >= 0 && !p->connecting) rvs_flush(&p->sensor, now_ms());
        turn(p);
        if (p->fd < 0 && (now_ms() - p->settled_at > PATIENCE_MS || rvs_error(&p->sensor) == RVS_ERROR_SESSION_MOVED)) return 3;
    }
    rvs_close(&p->sensor, now_ms());
    while (p->fd >= 0 && rvs_state(&p->sensor) == RVS_CLOSING) turn(p);
    if (rvs_get_statistics(&p->sensor)->put == 0) fprintf(stderr, "no line has the form timestamp,value\n");
    return rvs_get_statistics(&p->sensor)->refused != 0 || rvs_get_statistics(&p->sensor)->put == 0 ? 1 : 0;
}

static int usage(void) {
    fprintf(stderr, "usage: push_csv [-p PARTITION] [-s SESSION] HOST PORT TOPIC FILE\n");
    return 2;
}

int main(int argc, char **argv) {
    program p;
    rvs_config config;
    const rvs_statistics *statistics;
    FILE *file;
    int option, result;
    memset(&config, 0, sizeof config);
    memset(&p, 0, sizeof p);
    p.alias.placement = RVS_BY_KEY; /* without keys: one partition, fixed for the session */
    p.alias.acks = RVS_ACKS_LEADER;
    while ((option = getopt(argc, argv, "p:s:")) != -1) {
        if (option == 'p') {
            p.alias.placement = RVS_PARTITION;
            p.alias.partition = (uint32_t)strtoul(optarg, NULL, 10);
        } else if (option == 's') {
            config.session = strtoull(optarg, NULL, 0);
        } else {
            return usage();
        }
    }
    if (argc - optind != 4) return usage();
    p.host = argv[optind];
    p.port = argv[optind + 1];
    p.alias.topic = argv[optind + 2];
    file = strcmp(argv[optind + 3], "-") == 0 ? stdin : fopen(argv[optind + 3], "r");
    if (!file) {
        perror(argv[optind + 3]);
        return 2;
    }
    p.fd = -1;
    p.pause_ms = PAUSE_FIRST_MS;
    p.pause_from = now_ms() - PAUSE_FIRST_MS;
    if (config.session == 0) config.session = random_number();
    config.incarnation = (uint32_t)random_number();
    config.name = "push_csv";
    config.ring = p.ring;
    config.ring_bytes = sizeof p.ring;
    config.out = p.out;
    config.out_bytes = sizeof p.out;
    config.write = on_write;
    config.event = on_event;
    config.context = &p;
    config.when_full = RVS_REFUSE_NEWEST;
    if (rvs_init(&p.sensor, &config) != RVS_OK || rvs_add_alias(&p.sensor, &p.alias) < 0) return usage();
    result = push(&p, file);
    statistics = rvs_get_statistics(&p.sensor);
    printf("acknowledged %" PRIu32 " of %" PRIu32 ", sent %" PRIu32 " times over %" PRIu32 " connections, %" PRIu32 " refused\n", statistics->settled, statistics->put,
           statistics->sent, statistics->connections, statistics->refused);
    if (file != stdin) fclose(file);
    return result;
}
