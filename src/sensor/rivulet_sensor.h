/* A sensor's end of rivulet's compact framing: readings go into a ring of the caller's and leave it when the broker has acknowledged them.
 * Owns:      nothing. State is one rvs_sensor, memory the caller's `ring` and `out`; no heap, no statics, no floating point, no operating
 *            system; of libc memcpy, memmove and memset alone. Integers of 16 bits are enough. One sensor is one thread's.
 * Bounds:    an rvs_sensor has at most 256 bytes with 32-bit pointers. A reading costs its key and value and at most 10 bytes of ring.
 *            Frames have at most 1024 bytes, so key and value together at most out_bytes - 42, and never more than 1002. A key has at most
 *            127 bytes, a time is below 2^48 (the year 10,889; the protocol goes to 2^53).
 * Errors:    calls return RVS_OK, RVS_FULL, RVS_INVALID. What ends a connection is a state, RVS_BROKEN, and a number in `error`: one of
 *            section 8 of the protocol, or RVS_ERROR_GAP. Bytes from the broker are never trusted: bad ones break the connection.
 * Guarantee: with a session, what was put is stored exactly once and in order, whatever is cut when, unless the ring dropped it
 *            (`dropped`), the broker refused it (RVS_EVENT_REFUSED), or had forgotten the session (RVS_EVENT_FORGOTTEN: perhaps twice).
 *            The ring is RAM: a reboot loses what is in it and must begin a new incarnation.
 * Source:    src/wire/compact/PROTOCOL.md, version 1, implemented from that page.
 *
 * How it is used, with any transport that carries bytes in order:
 *     rvs_init, rvs_add_alias...           once
 *     connect the transport, rvs_open      again after each break, with a pause that the caller chooses (double it up to a minute)
 *     rvs_put, rvs_flush                   whenever there are readings, connected or not
 *     rvs_receive                          with all bytes that arrive
 *     rvs_poll                             every so often, and when the transport can take bytes again
 *     RVS_BROKEN                           close the transport, rvs_disconnected, and connect again (but for RVS_ERROR_SESSION_MOVED)
 * `now_ms` is any clock that counts milliseconds and wraps at 32 bits (Arduino's millis()). It may go back a little between calls;
 * rvs_poll must be called at least every 24 days, or that looks like it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { RVS_OK = 0, RVS_FULL = -1, RVS_INVALID = -2 };

enum {
    RVS_IDLE = 0,    /* no connection */
    RVS_OPENING = 1, /* OPEN is sent */
    RVS_OPENED = 2,  /* its answer is read */
    RVS_CLOSING = 3, /* rvs_close: the last acknowledgements may still come */
    RVS_BROKEN = 4   /* rvs_error() says why: close the transport, call rvs_disconnected, connect again after a pause */
};

/* Of `error`. GAP is the library's: readings were dropped that this connection still had to number; connect again at once. SESSION_MOVED: another
 * device says that it is this session; do not connect again, or the two end each other's connections for ever. */
enum { RVS_ERROR_TIMED_OUT = 53, RVS_ERROR_SESSION_MOVED = 55, RVS_ERROR_CONNECTION = 81, RVS_ERROR_GAP = 255 };

/* Where an alias puts its readings. */
enum { RVS_BY_KEY = 0, RVS_PARTITION = 1, RVS_DEFAULT_KEY = 2 };
/* When a reading is settled: received, stored by the leader, stored by all replicas in sync. */
enum { RVS_ACKS_NONE = 0, RVS_ACKS_LEADER = 1, RVS_ACKS_ALL = 2 };

/* A topic and a place in it. The caller's memory, as long as the sensor lives. */
typedef struct rvs_alias {
    const char *topic;
    const uint8_t *key;  /* RVS_DEFAULT_KEY */
    uint32_t partition;  /* RVS_PARTITION */
    uint8_t key_bytes;
    uint8_t placement;
    uint8_t acks;
    struct rvs_alias *next; /* the library's */
} rvs_alias;

/* Whose clock stamps readings. */
enum {
    RVS_CLOCK_OWN = 0,   /* rvs_put's time is milliseconds since 1970 */
    RVS_CLOCK_BROKER = 1 /* rvs_put's time is now_ms of the reading; the broker's time in its answer to OPEN makes it a date. Right for
                          * readings of the last 24 days. If the broker's clock is not trusted: unstamped. */
};
#define RVS_UNSTAMPED UINT64_MAX /* as a time: the broker stamps the reading when it arrives */

/* What rvs_put does when the ring is full. */
enum { RVS_REFUSE_NEWEST = 0, RVS_DROP_OLDEST = 1 };

enum {
    RVS_EVENT_OPENED = 1,    /* count: silence in ms after which the broker closes; rvs_poll keeps it from that */
    RVS_EVENT_FORGOTTEN = 2, /* the broker has lost the session, or a part of it: what was sent and not acknowledged may be stored twice */
    RVS_EVENT_ALIAS = 3,     /* count: the alias; error: 0 if it is good. Else, unless `eager`, the connection breaks, and the next tries again */
    RVS_EVENT_SETTLED = 4,   /* first, count: these are stored, or were refused; they leave the ring */
    RVS_EVENT_REFUSED = 5,   /* first, count, error: these will not be stored; final. Told again if the connection breaks before they settle */
    RVS_EVENT_DROPPED = 6    /* first, count: these made room; if they were sent, they are perhaps stored all the same */
};
typedef struct rvs_event {
    uint64_t first; /* sequence number. Those of readings that were never sent move down when one of them is dropped */
    uint32_t count;
    uint16_t error;
    uint8_t kind;
} rvs_event;

typedef struct rvs_config {
    uint8_t *out;         /* frames that the transport has not taken */
    size_t out_bytes;     /* at least 128; the more, the more readings share a frame */
    uint8_t *ring;        /* readings that are not acknowledged */
    size_t ring_bytes;    /* at least 16 */
    /* Takes the first bytes of those given and returns how many, 0 if none now, -1 if the connection is lost. Must not block for long. */
    int (*write)(void *context, const uint8_t *bytes, size_t count);
    /* May be NULL. Must not call the library back. */
    void (*event)(void *context, const rvs_event *event);
    void *context;
    const char *name;     /* for the broker's log, at most 64 bytes; may be NULL */
    uint64_t session;     /* chosen once, kept over reboots, unique in the cluster: a MAC address, random bits. 0: none, at least once */
    uint32_t incarnation; /* random, new at every start of the program */
    uint32_t timeout_ms;  /* 0: 10,000. Without an answer to OPEN, PING or CLOSE, or with a transport that takes nothing, the connection breaks after
                           * this; PING goes when an acknowledgement is awaited in silence for half of it, so that a dead link then breaks after
                           * one and a half: 15 s */
    uint8_t clock;
    uint8_t when_full;
    uint8_t eager;  /* 0: readings wait until the broker has said that all topics are there. 1: they are sent at once, and refused for
                     * good if a topic is not: for those who wake up, send one packet and sleep. With the broker's clock, readings
                     * before its first answer are unstamped. */
} rvs_config;

typedef struct rvs_statistics {
    uint32_t put;         /* readings taken by rvs_put */
    uint32_t settled;     /* stored or refused */
    uint32_t refused;     /* told as refused; again, and counted again, if the connection breaks before they settle */
    uint32_t dropped;     /* to make room */
    uint32_t sent;        /* put into frames, those sent again on a later connection included */
    uint32_t connections; /* rvs_open */
} rvs_statistics;

/* All of it is the library's, to be read through the functions below; it is here so that the caller can place it. In this order because
 * small processors reach only the first bytes of a struct with a short instruction. */
typedef struct rvs_sensor {
    uint8_t state;
    uint8_t alias_count;
    uint16_t error;
    struct {           /* what a connection begins with: zeros */
        uint8_t flags;
        uint8_t held;  /* aliases to be confirmed before readings may go */
        uint8_t alias; /* of the last put */
        uint8_t aliases_sent;
        uint16_t in_got; /* bytes of the frame that arrives */
        size_t cursor;      /* bytes of readings from the tail that are sent */
        size_t out_used;
        uint32_t sent;      /* readings in the ring that are sent ... */
        uint32_t unsettled; /* ... those, and those dropped since, that wait for an acknowledgement */
        uint32_t gap;       /* dropped since, whose numbers this connection had still to send */
        uint32_t credit;
        uint32_t sum_in;    /* up to the last frame with a check ... */
        uint32_t sum_frame; /* ... and with what there is of this one */
        uint32_t sum_out;
        uint32_t idle_half_ms;
        rvs_alias *alias_next; /* the first that is not sent */
    } c;
    size_t used;       /* bytes of readings in the ring ... */
    size_t tail;       /* ... and where the oldest begins */
    uint32_t count;    /* readings in the ring ... */
    uint32_t numbered; /* ... and those of them that were sent on any connection: their numbers are fixed */
    uint32_t now;
    uint32_t heard_at;
    uint32_t sent_at;
    uint32_t clock_at;
    rvs_alias *aliases;
    rvs_statistics statistics;
    rvs_config config;
    uint64_t step;       /* PROTOCOL.md, section 5, "Time" */
    uint64_t time;
    uint64_t clock_time; /* the broker's, at clock_at */
    uint64_t sequence;   /* of the oldest reading in the ring */
    uint16_t reading_max; /* bytes in the ring */
    uint8_t in[46];       /* the first bytes of a frame: all of it but texts */
} rvs_sensor;

/* RVS_INVALID: a buffer is too small, the name too long. */
int rvs_init(rvs_sensor *sensor, const rvs_config *config);

/* The alias' number for rvs_put, from 0 in this order; RVS_INVALID: more than 32, or its texts do not fit `out`. The broker has a
 * limit of its own (often 16), beyond which it breaks the connection with error 38. */
int rvs_add_alias(rvs_sensor *sensor, rvs_alias *alias);

/* The transport is connected: sends OPEN, the aliases, and what the ring holds. */
void rvs_open(rvs_sensor *sensor, uint32_t now_ms);

/* Copies a reading into the ring. key NULL: none; value NULL: a tombstone, which needs a key. `time`: see rvs_config.clock, or
 * RVS_UNSTAMPED. RVS_FULL: no room, and the oldest are not to be dropped; RVS_INVALID: too large ever, a key above 127 bytes, a time of
 * 2^48 or more, no such alias. Sends nothing. */
int rvs_put(rvs_sensor *sensor, uint8_t alias, const void *key, size_t key_bytes, const void *value, size_t value_bytes, uint64_t time);

/* Sends what waits, as many readings to a frame as fit; what credit or the transport holds up goes with later calls. Without it,
 * readings leave when half of `out` or of the ring is full, and at rvs_open. */
void rvs_flush(rvs_sensor *sensor, uint32_t now_ms);

/* Bytes from the transport, in pieces of any size; none: nothing happens. */
void rvs_receive(rvs_sensor *sensor, const void *bytes, size_t count, uint32_t now_ms);

/* Keeps the connection alive, notices a dead one, goes on sending. Returns the state. To be called a few times per timeout_ms. */
int rvs_poll(rvs_sensor *sensor, uint32_t now_ms);

/* Sends what waits and fits, then asks the broker to end the connection: RVS_CLOSING, and RVS_IDLE when that is done or the connection
 * is lost. Readings that were not settled stay. Does nothing in other states than RVS_OPENED, or while the transport takes nothing. */
void rvs_close(rvs_sensor *sensor, uint32_t now_ms);

/* The transport is gone, or closed by the caller. The readings stay; those not acknowledged are sent again after rvs_open. */
void rvs_disconnected(rvs_sensor *sensor);

/* RVS_IDLE to RVS_BROKEN, and why. 0: it has not broken since rvs_open, or the broker ended it with a CLOSE without a reason. The reason
 * stays until rvs_open. */
int rvs_state(const rvs_sensor *sensor);
int rvs_error(const rvs_sensor *sensor);
/* Readings in the ring, which are those neither acknowledged nor dropped. */
uint32_t rvs_waiting(const rvs_sensor *sensor);
/* Milliseconds since 1970 by the broker's clock, 0 if that is not known. */
uint64_t rvs_time(const rvs_sensor *sensor, uint32_t now_ms);
const rvs_statistics *rvs_get_statistics(const rvs_sensor *sensor);

#ifdef __cplusplus
}
#endif
