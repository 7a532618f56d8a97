/* See rivulet_sensor.h. Written for size: one ring reader, one frame writer, one byte-wise frame reader.
 * Numbers of 16 bits and more are cast before they are shifted: an int has 16 bits on some machines. */
#include "rivulet_sensor.h"

#include <string.h>

enum { OPEN = 1, ALIAS = 2, PUT = 3, PUTB = 4, ACK = 5, PING = 6, PONG = 7, ERROR = 8, CLOSE = 9 };
enum { MALFORMED = 2, UNSUPPORTED_VERSION = 3, OUT_OF_ORDER = 6, FRAME_TOO_LARGE = 7, INTEGRITY = 9 };
enum { FLAG_0 = 0x20, FLAG_1 = 0x40, FLAG_2 = 0x80 };

enum {
    FRAME_MAX = 1024,   /* what a broker takes before its limit is known; ours at all times, which spares the other case */
    FRAME_IN_MAX = 256, /* what we say in OPEN */
    CREDIT_FIRST = 1024,
    CONTROL_ROOM = 20, /* of `out`, for answers to PING and for ERROR while puts fill the rest */
    PUT_EXTRA = 12,    /* a reading in a frame needs at most so much more than in the ring */
    REGULAR_MIN = 6    /* fewer readings in the regular form save nothing */
};

/* A reading in the ring:
 *   u8 alias and marks | u16 value bytes | [6 bytes of time] | [u8 key bytes | key] | value        (the key as a block, ready to be sent)
 * The marks are where a put's flag 1 and, shifted, its attributes have them. The time is absolute: which change of the step it becomes
 * depends on the connection that sends it. */
enum { KEYED = 0x20, UNSTAMPED = FLAG_1, NO_VALUE = 0x80, ATTRIBUTES_SHIFT = 5, ATTRIBUTES_MASK = 5, ALIAS_MASK = 0x1f };
enum { ALIASES_MAX = 32, KEY_MAX = 127, HEAD_MAX = 10, TIME_BYTES = 6 };

/* So that changes of the step keep to PUT_EXTRA whatever the broker says. */
#define TIME_MAX (((uint64_t)1 << 48) - 1)

/* rvs_sensor.c.flags. WANTED: flush what the ring holds. AWAITING: OPEN or PING has no answer yet. PUT_BEFORE: c.alias holds. */
enum { WANTED = 1, AWAITING = 2, PUT_BEFORE = 4 };

typedef struct {
    uint64_t time;
    size_t at;    /* of the key block, from the tail; the value follows */
    size_t bytes; /* in the ring */
    uint16_t value_bytes;
    uint8_t key_bytes; /* of the block */
    uint8_t marks;
} reading;

/* CRC-32C, bit by bit: a table would be larger than the rest of it, and on some machines lie in RAM. Takes and returns final values. */
static uint32_t sum_byte(uint32_t sum, uint8_t byte) {
    unsigned bit;
    sum = ~sum ^ byte;
    for (bit = 0; bit < 8; ++bit) sum = (sum >> 1) ^ (0x82f63b78u & ((uint32_t)0 - (sum & 1u)));
    return ~sum;
}

/* ---- writing; the caller has made sure of the room ---- */

static uint8_t *put_fixed(uint64_t value, uint8_t *p, unsigned bytes) {
    for (; bytes != 0; --bytes, value >>= 8) *p++ = (uint8_t)value;
    return p;
}

static uint8_t *put_varint(uint8_t *p, uint64_t value) {
    for (; value > 0x7fu; value >>= 7) *p++ = (uint8_t)(value | 0x80u);
    *p++ = (uint8_t)value;
    return p;
}

static uint8_t *put_zigzag(uint8_t *p, uint64_t value) {
    uint64_t twice = value << 1;
    if ((value >> 63) != 0) twice = ~twice;
    return put_varint(p, twice);
}

static uint8_t *put_block(uint8_t *p, const void *bytes, size_t count) {
    p = put_varint(p, count);
    if (count != 0) memcpy(p, bytes, count);
    return p + count;
}

static size_t text_bytes(const char *text) {
    size_t n = 0;
    while (text && text[n] != 0) ++n;
    return n;
}

/* ---- the ring ---- */

/* Where the byte at `offset` from the tail lies, and how many of n follow it before the ring's end. */
static uint8_t *ring_at(const rvs_sensor *s, size_t offset, size_t n, size_t *together) {
    const size_t to_end = s->config.ring_bytes - s->tail;
    offset = offset >= to_end ? offset - to_end : s->tail + offset;
    *together = s->config.ring_bytes - offset < n ? s->config.ring_bytes - offset : n;
    return s->config.ring + offset;
}

/* Copies n bytes out; returns the end of the copy. */
static uint8_t *ring_get(const rvs_sensor *s, size_t offset, uint8_t *to, size_t n) {
    size_t first;
    const uint8_t *const from = ring_at(s, offset, n, &first);
    memcpy(to, from, first);
    memcpy(to + first, s->config.ring, n - first);
    return to + n;
}

/* Appends n bytes; the caller has made sure of the room. */
static void ring_add(rvs_sensor *s, const void *bytes, size_t n) {
    size_t first;
    uint8_t *const to = ring_at(s, s->used, n, &first);
    if (n == 0) return; /* bytes may be NULL */
    memcpy(to, bytes, first);
    memcpy(s->config.ring, (const uint8_t *)bytes + first, n - first);
    s->used += n;
}

/* The reading at `offset` from the tail, with its time as it is sent. */
static void load(rvs_sensor *s, size_t offset, reading *r) {
    uint8_t head[HEAD_MAX];
    const uint8_t *p = head + 3;
    unsigned i = TIME_BYTES;
    ring_get(s, offset, head, HEAD_MAX);
    r->marks = head[0];
    r->value_bytes = (uint16_t)(head[1] | (uint16_t)((uint16_t)head[2] << 8));
    r->key_bytes = 0;
    r->time = 0;
    if ((r->marks & UNSTAMPED) == 0) {
        while (i-- != 0) r->time = r->time << 8 | p[i];
        p += TIME_BYTES;
        if (s->config.clock == RVS_CLOCK_BROKER) {
            r->time = rvs_time(s, (uint32_t)r->time);
            if (s->clock_time == 0) r->marks |= UNSTAMPED;
        }
    }
    if ((r->marks & KEYED) != 0) r->key_bytes = (uint8_t)(1u + *p);
    r->at = offset + (size_t)(p - head);
    r->bytes = (size_t)(p - head) + r->key_bytes + r->value_bytes;
}

/* The oldest reading leaves the ring. */
static void pop(rvs_sensor *s) {
    reading r;
    load(s, 0, &r);
    s->tail += r.bytes;
    if (s->tail >= s->config.ring_bytes) s->tail -= s->config.ring_bytes;
    s->used -= r.bytes;
    --s->count;
    if (s->numbered == 0) return; /* a number that was not sent is free for the next; one that was stands for its reading for ever */
    --s->numbered;
    ++s->sequence;
    if (s->c.sent == 0) {
        ++s->c.gap; /* this connection would have to number it, and cannot skip */
    } else {
        --s->c.sent;
        s->c.cursor -= r.bytes;
    }
}

/* kind_error: the error is shifted by 8. `behind`: where the readings begin, back from the oldest in the ring. */
static void tell(rvs_sensor *s, uint32_t kind_error, uint32_t count, int32_t behind) {
    const rvs_event event = {s->sequence - (uint64_t)behind, count, (uint16_t)(kind_error >> 8), (uint8_t)kind_error};
    if (s->config.event) s->config.event(s->config.context, &event);
}

/* ---- frames out ---- */

static int active(const rvs_sensor *s) { return s->state >= RVS_OPENING && s->state <= RVS_CLOSING; }

/* Where the body of the next frame goes: behind two bytes for its length and one for its kind. */
static uint8_t *frame_begin(rvs_sensor *s) { return s->config.out + s->c.out_used + 3; }

/* The body ends at p. Returns the bytes of the whole frame. */
static uint32_t frame_end(rvs_sensor *s, uint8_t *p, unsigned kind) {
    uint8_t *const start = s->config.out + s->c.out_used;
    const int checked = (kind & 0x1f) <= ACK;
    const size_t length = (size_t)(p - start - 2 + (checked ? 2 : 0));
    uint8_t *at;
    start[2] = (uint8_t)kind;
    at = put_varint(start, length);
    if (at != start + 2) memmove(at, start + 2, (size_t)(p-- - start - 2));
    for (at = start; checked && at != p; ++at) s->c.sum_out = sum_byte(s->c.sum_out, *at);
    if (checked) p = put_fixed(s->c.sum_out, p, 2);
    if (s->c.out_used == 0) s->sent_at = s->now; /* the transport's delay counts from here */
    s->c.out_used += (size_t)(p - start);
    return (uint32_t)(p - start);
}

static int broken(rvs_sensor *s, unsigned error) {
    s->state = s->state == RVS_CLOSING ? RVS_IDLE : RVS_BROKEN;
    s->error = (uint16_t)error;
    s->c.out_used = 0;
    return 0;
}

static void send_open(rvs_sensor *s) {
    const rvs_config *const c = &s->config;
    reading oldest;
    uint8_t *p = put_fixed(0x01017672, frame_begin(s), 4); /* "rv", version 1, integrity */
    p = put_fixed(c->session, p, 8);
    p = put_fixed(c->incarnation, p, 4);
    p = put_varint(p, s->sequence);
    s->step = s->time = 0;
    if (s->count != 0) {
        load(s, 0, &oldest);
        if ((oldest.marks & UNSTAMPED) == 0) s->time = oldest.time; /* its change is then one byte */
    }
    p = put_zigzag(p, s->time);
    p = put_varint(p, FRAME_IN_MAX);
    p = put_block(p, c->name, text_bytes(c->name));
    frame_end(s, p, OPEN);
}

static int control_room(const rvs_sensor *s) { return s->config.out_bytes - s->c.out_used >= CONTROL_ROOM; }

static uint32_t room_of(const rvs_sensor *s) {
    const size_t room = s->config.out_bytes - s->c.out_used;
    if (room <= CONTROL_ROOM) return 0;
    return room - CONTROL_ROOM < FRAME_MAX ? (uint32_t)(room - CONTROL_ROOM) : FRAME_MAX;
}

static size_t alias_room(const rvs_alias *alias) { return text_bytes(alias->topic) + alias->key_bytes + 16u; }

static int send_alias(rvs_sensor *s) {
    const rvs_alias *const alias = s->c.alias_next;
    uint8_t *p = frame_begin(s);
    if (room_of(s) < alias_room(alias) || (s->state != RVS_OPENED && s->c.aliases_sent != 0)) return 0;
    *p++ = s->c.aliases_sent++;
    *p++ = (uint8_t)(alias->placement | alias->acks << 2);
    p = put_block(p, alias->topic, text_bytes(alias->topic));
    if (alias->placement == RVS_PARTITION) p = put_varint(p, alias->partition);
    if (alias->placement == RVS_DEFAULT_KEY) p = put_block(p, alias->key, alias->key_bytes);
    frame_end(s, p, ALIAS | FLAG_0);
    s->c.alias_next = alias->next;
    return 1;
}

static uint8_t *put_change(rvs_sensor *s, uint8_t *p, const reading *r) {
    const uint64_t step = r->time - s->time;
    if ((r->marks & UNSTAMPED) != 0) return p;
    p = put_zigzag(p, step - s->step);
    s->step = step;
    s->time = r->time;
    return p;
}

/* One PUT or PUTB, as large as room and credit allow. 0: nothing fits. */
static int send_puts(rvs_sensor *s) {
    unsigned kind = PUT, attributes, alias;
    size_t n = 0, alike = 0, i, offset;
    uint32_t room = room_of(s), bytes = PUT_EXTRA - 4;
    uint64_t second = 0, last = 0;
    uint8_t *p = frame_begin(s);
    reading first, r;
    if (room > s->c.credit) room = s->c.credit;
    load(s, s->c.cursor, &first);
    for (offset = s->c.cursor; offset != s->used; offset += r.bytes, ++n) {
        load(s, offset, &r);
        bytes += (uint32_t)r.bytes + 4;
        if (r.marks != first.marks || bytes > room) break;
        if (n == 1) second = r.time;
        /* The regular form is for equal lengths and spacing. */
        if (alike == n && r.value_bytes == first.value_bytes && (n < 2 || r.time - last == second - first.time)) ++alike;
        last = r.time;
    }
    if (n == 0) return 0;
    if ((first.marks & (KEYED | NO_VALUE)) != 0 || first.value_bytes == 0 || alike < REGULAR_MIN) alike = 0;
    if (alike != 0) n = alike;
    if (n > 1) kind = PUTB;
    alias = first.marks & ALIAS_MASK;
    if ((s->c.flags & PUT_BEFORE) != 0 && s->c.alias == alias)
        kind |= FLAG_0;
    else
        *p++ = (uint8_t)alias;
    s->c.alias = (uint8_t)alias;
    s->c.flags |= PUT_BEFORE;
    kind |= first.marks & UNSTAMPED;
    attributes = alike != 0 ? 8u : (unsigned)first.marks >> ATTRIBUTES_SHIFT & ATTRIBUTES_MASK;
    if (attributes != 0) {
        kind |= FLAG_2;
        *p++ = (uint8_t)attributes;
    }
    if (alike != 0) {
        p = put_change(s, p, &first);
        first.time = second;
        p = put_change(s, p, &first);
        p = put_varint(p, first.value_bytes);
    }
    for (i = 0; i < n; ++i, s->c.cursor += r.bytes) {
        load(s, s->c.cursor, &r);
        if (alike != 0) {
            if ((r.marks & UNSTAMPED) == 0) s->time = r.time; /* the step stays */
        } else {
            p = put_change(s, p, &r);
            p = ring_get(s, r.at, p, r.key_bytes);
            if (n > 1 && (r.marks & NO_VALUE) == 0) p = put_varint(p, r.value_bytes);
        }
        p = ring_get(s, r.at + r.key_bytes, p, r.value_bytes);
    }
    s->c.sent += (uint32_t)n;
    if (s->c.sent > s->numbered) s->numbered = s->c.sent;
    s->statistics.sent += (uint32_t)n;
    if (s->c.unsettled == 0) s->heard_at = s->now; /* silence counts from the first that waits for an answer */
    s->c.unsettled += (uint32_t)n;
    s->c.credit -= frame_end(s, p, kind);
    return 1;
}

/* Adds a frame to `out`; 0: nothing to send, or no room. */
static int fill(rvs_sensor *s) {
    size_t left = s->used - s->c.cursor;
    if (s->state != RVS_OPENING && s->state != RVS_OPENED) return 0;
    if (s->c.alias_next) return send_alias(s);
    if (s->c.held != 0) return 0;
    if (left >= s->config.out_bytes / 2 || left >= s->config.ring_bytes / 2) s->c.flags |= WANTED;
    if (left == 0) s->c.flags &= (uint8_t)~WANTED;
    if ((s->c.flags & WANTED) == 0) return 0;
    if (s->c.gap != 0) return broken(s, RVS_ERROR_GAP);
    return send_puts(s);
}

static void run(rvs_sensor *s) {
    int n;
    do {
        while (fill(s)) {}
        if (s->c.out_used == 0 || !active(s)) return;
        n = s->config.write(s->config.context, s->config.out, s->c.out_used);
        if (n < 0) broken(s, RVS_ERROR_CONNECTION);
        if (n <= 0) return;
        s->sent_at = s->now;
        s->c.out_used -= (size_t)n;
        memmove(s->config.out, s->config.out + n, s->c.out_used);
    } while (s->c.out_used == 0); /* else the transport is full */
}

/* ---- frames in ---- */

typedef struct {
    const uint8_t *at;
    size_t kept, left; /* bytes of the body that were kept, and that there are */
    uint64_t last;
} body;

/* At most UINT32_MAX; `last` has it all. 0 and left = SIZE_MAX: malformed. */
static uint32_t get_varint(body *b) {
    unsigned shift = 0;
    b->last = 0;
    while (b->kept != 0) {
        const uint8_t byte = *b->at++;
        --b->kept;
        --b->left;
        b->last |= (uint64_t)(byte & 0x7fu) << shift;
        if (byte < 0x80u) {
            if ((byte == 0 && shift != 0) || (byte > 1 && shift == 63)) break;
            return b->last > UINT32_MAX ? UINT32_MAX : (uint32_t)b->last;
        }
        if (shift == 63) break;
        shift += 7;
    }
    b->kept = 0;
    b->left = SIZE_MAX;
    return 0;
}

static void add_credit(rvs_sensor *s, uint32_t more) {
    s->c.credit += more;
    if (s->c.credit < more) s->c.credit = UINT32_MAX;
}

/* The answer to OPEN: 0 version, 1 features, 2 session state, 3 last sequence, 4 credit, 5 time, 6 frame limit, 7 aliases, 8 requests, 9 idle.
 * The last sequence is of no use: numbers are implied, so that nothing can be skipped on this connection; acknowledgements tell the same. */
static unsigned take_opened(rvs_sensor *s, const uint32_t *v, unsigned flags) {
    if (v[0] != 1) return UNSUPPORTED_VERSION;
    if (v[6] < FRAME_MAX) return MALFORMED;
    add_credit(s, v[4]);
    if (flags != 0) s->clock_at = s->now;
    s->c.idle_half_ms = (v[9] - 1) / 2; /* 0 is never */
    s->state = RVS_OPENED;
    s->c.flags &= (uint8_t)~AWAITING;
    tell(s, RVS_EVENT_OPENED, v[9], 0);
    if (v[2] == 3 && s->numbered != 0) tell(s, RVS_EVENT_FORGOTTEN, 0, 0);
    return 0;
}

/* 0 settled, 1 credit; with the flag 2 first refused, 3 count, 4 error. */
static unsigned take_ack(rvs_sensor *s, const uint32_t *v, unsigned flags) {
    const uint32_t unsettled = s->c.unsettled;
    const uint32_t behind = unsettled - s->c.sent + s->c.gap; /* from the first that is not settled to the oldest in the ring */
    uint32_t n = v[0];
    if (n > unsettled) return MALFORMED;
    if (flags != 0) {
        if (v[2] - 1 >= unsettled || v[3] - 1 > unsettled - v[2]) return MALFORMED;
        s->statistics.refused += v[3];
        tell(s, RVS_EVENT_REFUSED | v[4] << 8, v[3], (int32_t)(behind - v[2] + 1));
    }
    add_credit(s, v[1]);
    s->statistics.settled += n;
    if (n != 0) tell(s, RVS_EVENT_SETTLED, n, (int32_t)behind);
    for (; n != 0; --n, --s->c.unsettled)
        if (s->c.unsettled == s->c.sent) pop(s); /* else it is one that was dropped */
    return 0;
}

/* Its body lies between `head` and `end`. Returns the error that it is, 0 for none. */
static unsigned take_frame(rvs_sensor *s, size_t head, size_t end) {
    enum { TEXT = 0x10, BAD = 0xff };
    /* By kind: how many numbers its body begins with, whether a text follows, flag 0. */
    static const uint8_t forms[] = {BAD, 10 | TEXT | FLAG_0, 2, BAD, BAD, 2 | FLAG_0, 0, 0, 2 | TEXT, 1};
    const unsigned kind = s->in[head - 1] & 0x1fu, flags = s->in[head - 1] & 0xe0u;
    uint32_t v[10];
    unsigned form, i;
    body b;
    if (kind > CLOSE) return OUT_OF_ORDER;
    form = forms[kind];
    if (form == BAD || (kind < ERROR && (s->state == RVS_OPENING) != (kind == OPEN))) return OUT_OF_ORDER;
    if ((flags & ~form) != 0) return MALFORMED;
    if (kind == ACK && flags != 0) form = 5;
    b.at = s->in + head;
    b.left = end - head;
    b.kept = end < sizeof s->in ? b.left : sizeof s->in - head;
    for (i = 0; i < (form & 15); ++i) {
        v[i] = get_varint(&b);
        if (i == 5 && flags != 0) s->clock_time = b.last >> 1 & TIME_MAX; /* a trusted one is never before 1970 */
        if (i == 1 && kind == ALIAS) form = v[1] != 0 ? 2 | TEXT : 4; /* else partition and limit */
    }
    if ((form & TEXT) != 0) {
        const uint32_t text = get_varint(&b);
        b.left = text == b.left ? 0 : SIZE_MAX;
    }
    if (b.left > (kind == PING || kind == PONG ? 16u : 0u)) return MALFORMED;
    if (kind == OPEN) return take_opened(s, v, flags);
    if (kind == ACK) return take_ack(s, v, flags);
    if (kind == ALIAS) {
        if (v[0] >= s->c.aliases_sent) return MALFORMED;
        tell(s, RVS_EVENT_ALIAS | v[1] << 8, v[0], 0);
        if (s->config.eager) return 0;
        if (v[1] != 0) broken(s, (unsigned)v[1]);
        if (s->c.held != 0) --s->c.held;
    } else if (kind == PING && control_room(s)) { /* a broker that does not read what we send gets no answer either */
        memcpy(frame_begin(s), b.at, b.left);
        frame_end(s, frame_begin(s) + b.left, PONG);
    } else if (kind >= ERROR) {
        broken(s, (unsigned)v[0]);
    }
    return 0;
}

static unsigned take_byte(rvs_sensor *s, uint8_t byte) {
    const size_t got = s->c.in_got++;
    size_t end, total, head;
    if (got < sizeof s->in) s->in[got] = byte;
    /* As our limit is 256 bytes, a length of two bytes ends with 1, and then the first byte is the length. */
    head = s->in[0] < 0x80 ? 1 : 2;
    if (s->in[0] == 0) return MALFORMED;
    if (got == 0) s->c.sum_frame = s->c.sum_in;
    if (got < head) {
        if (got == 1 && byte != 1) return byte == 0 ? MALFORMED : FRAME_TOO_LARGE;
        s->c.sum_frame = sum_byte(s->c.sum_frame, byte);
        return 0;
    }
    total = s->in[0] + head;
    if (total > FRAME_IN_MAX) return FRAME_TOO_LARGE;
    end = total;
    if ((s->in[head] & 0x1fu) <= ACK) end -= 2;
    if (total < 4 && end != total) return MALFORMED;
    if (got < end)
        s->c.sum_frame = sum_byte(s->c.sum_frame, byte);
    else if ((uint8_t)(s->c.sum_frame >> (got == end ? 0 : 8)) != byte)
        return INTEGRITY;
    if (got + 1 != total) return 0;
    if (end != total) s->c.sum_in = s->c.sum_frame;
    s->c.in_got = 0;
    return take_frame(s, head + 1, end);
}

/* ---- calls ---- */

int rvs_init(rvs_sensor *s, const rvs_config *config) {
    memset(s, 0, sizeof *s);
    s->config = *config;
    if (s->config.timeout_ms == 0) s->config.timeout_ms = 10000;
    s->sequence = 1;
    if (config->ring_bytes < 16 || config->out_bytes < 128 || config->out_bytes > 0x7fff || text_bytes(config->name) > 64) return RVS_INVALID;
    s->reading_max = (uint16_t)(room_of(s) - PUT_EXTRA);
    if (s->reading_max > config->ring_bytes) s->reading_max = (uint16_t)config->ring_bytes;
    return RVS_OK;
}

int rvs_add_alias(rvs_sensor *s, rvs_alias *alias) {
    rvs_alias **end = &s->aliases;
    const size_t room = alias_room(alias) + CONTROL_ROOM;
    if (s->alias_count == ALIASES_MAX || room > s->config.out_bytes || room > FRAME_MAX) return RVS_INVALID;
    alias->next = NULL;
    while (*end) end = &(*end)->next;
    *end = alias;
    if (!s->c.alias_next) s->c.alias_next = alias;
    if (!s->config.eager) ++s->c.held;
    return s->alias_count++;
}

void rvs_disconnected(rvs_sensor *s) {
    if (s->state == RVS_OPENING || s->state == RVS_OPENED) s->error = RVS_ERROR_CONNECTION;
    s->state = RVS_IDLE;
    memset(&s->c, 0, sizeof s->c);
}

void rvs_open(rvs_sensor *s, uint32_t now_ms) {
    rvs_disconnected(s);
    s->now = s->heard_at = now_ms;
    s->state = RVS_OPENING;
    s->error = 0;
    s->c.credit = CREDIT_FIRST;
    s->c.flags = WANTED | AWAITING;
    s->c.alias_next = s->aliases;
    if (!s->config.eager) s->c.held = s->alias_count;
    ++s->statistics.connections;
    send_open(s);
    run(s);
}

int rvs_put(rvs_sensor *s, uint8_t alias, const void *key, size_t key_bytes, const void *value, size_t value_bytes, uint64_t time) {
    uint8_t head[HEAD_MAX];
    uint8_t *p = head + 3;
    size_t bytes;
    if (!value) value_bytes = 0;
    if (!key) key_bytes = value ? 0 : KEY_MAX + 1; /* as bad as that */
    head[0] = (uint8_t)(alias | (value ? 0 : NO_VALUE) | (key ? KEYED : 0) | (time == RVS_UNSTAMPED ? UNSTAMPED : 0));
    if (time != RVS_UNSTAMPED) {
        p = put_fixed(time, p, TIME_BYTES);
        if ((time >> 48) != 0) return RVS_INVALID;
    }
    if (key) *p++ = (uint8_t)key_bytes;
    put_fixed(value_bytes, head + 1, 2);
    bytes = (size_t)(p - head) + key_bytes + value_bytes;
    if (alias >= s->alias_count || key_bytes > KEY_MAX || value_bytes > FRAME_MAX || bytes > s->reading_max) return RVS_INVALID;
    for (; s->config.ring_bytes - s->used < bytes; ++s->statistics.dropped) {
        if (s->config.when_full == RVS_REFUSE_NEWEST) return RVS_FULL;
        tell(s, RVS_EVENT_DROPPED, 1, 0);
        pop(s);
    }
    ring_add(s, head, (size_t)(p - head));
    ring_add(s, key, key_bytes);
    ring_add(s, value, value_bytes);
    ++s->count;
    ++s->statistics.put;
    return RVS_OK;
}

void rvs_flush(rvs_sensor *s, uint32_t now_ms) {
    s->now = now_ms;
    s->c.flags |= WANTED;
    run(s);
}

void rvs_receive(rvs_sensor *s, const void *bytes, size_t count, uint32_t now_ms) {
    const uint8_t *p = (const uint8_t *)bytes;
    if (count == 0) return; /* nothing was heard */
    s->now = s->heard_at = now_ms;
    if (s->state == RVS_OPENED) s->c.flags &= (uint8_t)~AWAITING;
    for (; count != 0 && active(s); --count) {
        const unsigned error = take_byte(s, *p++);
        if (error == 0) continue;
        if (control_room(s)) {
            frame_end(s, put_fixed(error, frame_begin(s), 3), ERROR); /* no detail, no text */
            s->config.write(s->config.context, s->config.out, s->c.out_used);
        }
        broken(s, error);
    }
    run(s);
}

/* 0 if the clock went back. */
static uint32_t distance(uint32_t now, uint32_t then) { return now - then <= INT32_MAX ? now - then : 0; }

int rvs_poll(rvs_sensor *s, uint32_t now_ms) {
    const uint32_t timeout = s->config.timeout_ms;
    const uint32_t silent = distance(now_ms, s->heard_at), quiet = distance(now_ms, s->sent_at);
    s->now = now_ms;
    s->clock_time = rvs_time(s, now_ms); /* distances from it are to stay within 31 bits */
    s->clock_at = now_ms;
    if (!active(s)) return s->state;
    if ((s->c.out_used != 0 && quiet >= timeout) || ((s->c.flags & AWAITING) != 0 && silent >= timeout)) {
        broken(s, RVS_ERROR_TIMED_OUT);
    } else if (s->state == RVS_OPENED && (s->c.flags & AWAITING) == 0 && s->c.out_used == 0 &&
               (quiet > s->c.idle_half_ms || ((s->c.unsettled != 0 || s->c.held != 0) && silent >= timeout / 2))) {
        frame_end(s, frame_begin(s), PING);
        s->c.flags |= AWAITING;
        s->heard_at = now_ms;
    }
    run(s);
    return s->state;
}

void rvs_close(rvs_sensor *s, uint32_t now_ms) {
    rvs_flush(s, now_ms);
    if (s->state != RVS_OPENED || !control_room(s)) return;
    frame_end(s, put_fixed(0, frame_begin(s), 1), CLOSE);
    s->state = RVS_CLOSING;
    s->c.flags |= AWAITING;
    s->heard_at = now_ms;
    run(s);
}

int rvs_state(const rvs_sensor *s) { return s->state; }
int rvs_error(const rvs_sensor *s) { return (int)s->error; }
uint32_t rvs_waiting(const rvs_sensor *s) { return s->count; }
uint64_t rvs_time(const rvs_sensor *s, uint32_t now_ms) { return s->clock_time != 0 ? s->clock_time + (uint64_t)(int32_t)(now_ms - s->clock_at) : 0; }
const rvs_statistics *rvs_get_statistics(const rvs_sensor *s) { return &s->statistics; }
