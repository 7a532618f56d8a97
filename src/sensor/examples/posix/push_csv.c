/* Pushes the lines `timestamp,value` of a CSV file to a topic, timestamps in milliseconds since 1970 or as `YYYY-MM-DD hh:mm:ss` (UTC; also with a
 * T between, a fraction of the second, a Z behind). Lines of another form, too long ones and those with a NUL are skipped, as a whole.
 * Exactly once, whatever happens to the broker or the network meanwhile: ends when all lines are acknowledged.
 *     push_csv [-p PARTITION] [-s SESSION] HOST PORT TOPIC FILE        FILE may be - for standard input, whose lines go as they come
 * It shows how the library is used: one buffer for readings, one for frames, a transport of two functions, a loop.
 * Exit: 0 all stored, 1 some refused or no line of that form, 2 usage, 3 nothing acknowledged for a minute, another program has the session, or the
 * file could not be read to its end. */
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
    unsigned address;    /* which of the host's to try */
    int told;            /* why there is no connection, as it was last said */
    int file;            /* -1: at its end */
    int file_failed;
    size_t in_at, in_end;
    size_t line_bytes;
    int line_bad; /* bytes of it are missing in `line` */
    char in[4096];
    char line[1100];
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

/* Once for each reason: it is tried again and again. */
static void tell_why(program *p, int error, const char *text) {
    if (error != p->told) fprintf(stderr, "no connection to %s port %s: %s\n", p->host, p->port, text);
    p->told = error;
}

static void disconnect(program *p) {
    if (p->fd >= 0) close(p->fd);
    p->fd = -1;
    p->pause_from = now_ms();
    if (rvs_state(&p->sensor) != RVS_IDLE && rvs_error(&p->sensor) != 0) fprintf(stderr, "connection broken: error %d\n", rvs_error(&p->sensor));
    rvs_disconnected(&p->sensor);
}

/* The next time, the next address: a name may have two, one of them with nobody there (localhost is ::1 and 127.0.0.1). */
static void connect_failed(program *p, int error) {
    tell_why(p, error, strerror(error));
    ++p->address;
    p->connecting = 0;
    disconnect(p);
}

static void start_connecting(program *p) {
    struct addrinfo hints, *found = NULL, *to;
    const int on = 1;
    unsigned i;
    int error;
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    p->pause_from = now_ms();
    p->pause_ms = p->pause_ms * 2 < PAUSE_MAX_MS ? p->pause_ms * 2 : PAUSE_MAX_MS; /* if this one fails */
    error = getaddrinfo(p->host, p->port, &hints, &found);
    if (error != 0) {
        tell_why(p, -1000 - error, gai_strerror(error));
        return;
    }
    for (to = found, i = 0; i != p->address && to->ai_next; ++i) to = to->ai_next;
    if (i != p->address) to = found;
    if (to == found) p->address = 0;
    p->fd = socket(to->ai_family, to->ai_socktype, to->ai_protocol);
    if (p->fd >= 0) {
        fcntl(p->fd, F_SETFL, O_NONBLOCK);
        setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        p->connecting = 1;
        if (connect(p->fd, to->ai_addr, to->ai_addrlen) != 0 && errno != EINPROGRESS) connect_failed(p, errno);
    } else {
        ++p->address; /* of a family that this machine lacks */
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

/* Waits for the socket, and for lines if they are wanted, at most a tick. */
static void turn(program *p, int lines) {
    struct pollfd events[2];
    const uint32_t now = now_ms();
    if (p->fd < 0 && now - p->pause_from >= p->pause_ms) start_connecting(p);
    memset(events, 0, sizeof events);
    events[0].fd = p->fd; /* -1 is left out */
    events[0].events = (short)(p->connecting ? POLLOUT : POLLIN);
    events[1].fd = lines ? p->file : -1;
    events[1].events = POLLIN;
    poll(events, 2, TICK_MS);
    if (p->fd < 0) return;
    if (p->connecting) {
        int error = 0;
        socklen_t size = sizeof error;
        if (events[0].revents == 0) {
            if (now_ms() - p->pause_from > PAUSE_MAX_MS) connect_failed(p, ETIMEDOUT);
            return;
        }
        p->connecting = 0;
        getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) {
            connect_failed(p, error);
            return;
        }
        p->told = 0;
        rvs_open(&p->sensor, now_ms());
    } else if (events[0].revents != 0) {
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
    static const uint8_t days[] = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
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
    year = part[0] * 100 + part[1];
    if (part[2] == 0 || part[3] == 0 || part[3] > days[part[2]] || year < 1970) return 0;
    if (part[2] == 2 && part[3] == 29 && (year % 4 != 0 || (year % 100 == 0 && year % 400 != 0))) return 0;
    /* Days of years that begin in March: the leap day is the last. */
    month = (part[2] + 9) % 12;
    year -= month / 10;
    year = year * 365 + year / 4 - year / 100 + year / 400 + (month * 306 + 5) / 10 + part[3] - 1 - 719468;
    *time_ms = (uint64_t)(((year * 24 + part[4]) * 60 + part[5]) * 60 + part[6]) * 1000u;
    line += i;
    if (*line == '.')
        for (++line; *line >= '0' && *line <= '9'; ++line, weight /= 10) *time_ms += (uint64_t)(*line - '0') * weight;
    if (*line == 'Z') ++line;
    *end = line;
    return 1;
}

/* The next byte of the file; -1: none now, or none any more. */
static int next_byte(program *p) {
    if (p->in_at == p->in_end) {
        struct pollfd events = {p->file, POLLIN, 0};
        ssize_t n;
        if (p->file < 0 || poll(&events, 1, 0) <= 0) return -1;
        n = read(p->file, p->in, sizeof p->in);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return -1;
        if (n < 0) perror("the file cannot be read to its end");
        if (n < 0) p->file_failed = 1;
        if (n <= 0) {
            if (p->file != STDIN_FILENO) close(p->file);
            p->file = -1;
            return -1;
        }
        p->in_at = 0;
        p->in_end = (size_t)n;
    }
    return (unsigned char)p->in[p->in_at++];
}

/* The next line, whole; 0: none yet, or none any more. */
static int next_line(program *p) {
    int byte;
    while ((byte = next_byte(p)) >= 0 && byte != '\n') {
        if (byte == 0 || p->line_bytes == sizeof p->line - 1)
            p->line_bad = 1;
        else
            p->line[p->line_bytes++] = (char)byte;
    }
    if (byte < 0 && (p->file >= 0 || (p->line_bytes == 0 && !p->line_bad))) return 0;
    if (p->line_bytes != 0 && p->line[p->line_bytes - 1] == '\r') --p->line_bytes;
    p->line[p->line_bytes] = 0;
    p->line_bytes = 0;
    return 1;
}

/* The next reading of the file; 0: none yet, or none any more. */
static int next_reading(program *p, uint64_t *time_ms, const char **value) {
    while (next_line(p)) {
        const char *const start = p->line + strspn(p->line, " \t");
        const char *end = start;
        const int bad = p->line_bad;
        p->line_bad = 0;
        errno = 0;
        if (!parse_date(start, time_ms, &end) && *start >= '0' && *start <= '9') {
            char *behind;
            *time_ms = strtoull(start, &behind, 10);
            end = behind;
        }
        if (!bad && end != start && *end == ',' && errno == 0) {
            *value = end + 1;
            return 1;
        }
        if (bad || p->line[0] != 0) fprintf(stderr, "skipped%s: %s\n", bad ? ", too long or with a NUL" : "", p->line);
    }
    return 0;
}

static int push(program *p) {
    const char *value = NULL;
    uint64_t time_ms = 0;
    int held = 0; /* a reading for which there was no room */
    p->settled_at = now_ms();
    while (p->file >= 0 || held || rvs_waiting(&p->sensor) != 0) {
        while (held || next_reading(p, &time_ms, &value)) {
            int result;
            if (rvs_waiting(&p->sensor) == 0) p->settled_at = now_ms(); /* patience begins with what waits */
            result = rvs_put(&p->sensor, 0, NULL, 0, value, strlen(value), time_ms);
            held = result == RVS_FULL;
            if (held) break; /* goes on when acknowledgements have made room */
            if (result == RVS_INVALID) fprintf(stderr, "skipped: %s\n", p->line);
        }
        if (p->fd >= 0 && !p->connecting) rvs_flush(&p->sensor, now_ms());
        if (p->file >= 0 || rvs_waiting(&p->sensor) != 0) turn(p, !held);
        if (p->fd >= 0) continue;
        if (rvs_error(&p->sensor) == RVS_ERROR_SESSION_MOVED || (rvs_waiting(&p->sensor) != 0 && now_ms() - p->settled_at > PATIENCE_MS)) return 3;
    }
    rvs_close(&p->sensor, now_ms());
    while (p->fd >= 0 && rvs_state(&p->sensor) == RVS_CLOSING) turn(p, 0);
    if (p->file_failed) return 3;
    if (rvs_get_statistics(&p->sensor)->put == 0) fprintf(stderr, "no line has the form timestamp,value\n");
    return rvs_get_statistics(&p->sensor)->refused != 0 || rvs_get_statistics(&p->sensor)->put == 0 ? 1 : 0;
}

/* The number that `text` is, at most `most`; 0: it is none. */
static int parse_number(const char *text, uint64_t most, int base, uint64_t *number) {
    char *end;
    errno = 0;
    *number = strtoull(text, &end, base);
    return text[0] >= '0' && text[0] <= '9' && *end == 0 && errno == 0 && *number <= most;
}

static int usage(void) {
    fprintf(stderr, "usage: push_csv [-p PARTITION] [-s SESSION] HOST PORT TOPIC FILE\n");
    return 2;
}

int main(int argc, char **argv) {
    program p;
    rvs_config config;
    const rvs_statistics *statistics;
    uint64_t number;
    int option, result;
    memset(&config, 0, sizeof config);
    memset(&p, 0, sizeof p);
    p.alias.placement = RVS_BY_KEY; /* without keys: one partition, fixed for the session */
    p.alias.acks = RVS_ACKS_LEADER;
    while ((option = getopt(argc, argv, "p:s:")) != -1) {
        if (option == 'p' && parse_number(optarg, UINT32_MAX, 10, &number)) {
            p.alias.placement = RVS_PARTITION;
            p.alias.partition = (uint32_t)number;
        } else if (option == 's' && parse_number(optarg, UINT64_MAX, 0, &number)) {
            config.session = number;
        } else {
            return usage();
        }
    }
    if (argc - optind != 4) return usage();
    p.host = argv[optind];
    p.port = argv[optind + 1];
    p.alias.topic = argv[optind + 2];
    p.file = strcmp(argv[optind + 3], "-") == 0 ? STDIN_FILENO : open(argv[optind + 3], O_RDONLY);
    if (p.file < 0) {
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
    result = push(&p);
    statistics = rvs_get_statistics(&p.sensor);
    printf("acknowledged %" PRIu32 " of %" PRIu32 ", sent %" PRIu32 " times over %" PRIu32 " connections, %" PRIu32 " refused\n", statistics->settled, statistics->put,
           statistics->sent, statistics->connections, statistics->refused);
    return result;
}
