// Any bytes as a structure of the store. The first byte chooses the decoder. What must hold besides no crash:
//   - what decodes encodes to bytes that decode to the same;
//   - extents lie within their payload, entries are in order;
//   - a walk over any journal ends, goes forward and hands out nothing from outside the window; verify and inspect end, too.
// Where a CRC would stop everything, the bytes are tried as they are and once more with magic and CRC made right.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include "base/crc32c.h"
#include "store/footer.h"
#include "store/journal_record.h"
#include "store/offline/checkpoint_chunks.h"
#include "store/offline/inspect.h"
#include "store/offline/verify.h"
#include "store/session_trailer.h"

using namespace rivulet;
using namespace rivulet::store;

namespace {

using Buffer = std::vector<std::uint8_t>;
using Page = std::array<std::uint8_t, page_bytes>;

void require(bool condition) {
    if (!condition) std::abort();
}

Geometry small_geometry() {
    Geometry g;
    g.store_id.bytes[0] = 1;
    g.segment_bytes = 64 * 1024;
    g.segment_count = 6;
    g.checkpoint_area_bytes = 64 * 1024;
    g.group_bytes_max = 32 * 1024;
    return g;
}

template <class Decode, class Encode>
void try_page(Bytes input, std::string_view magic, Decode decode, Encode encode) {
    Page page{};
    copy(input.first(std::min(input.size(), page.size())), page);
    (void)decode(page);
    copy(as_bytes(magic), page);
    page[8] = 1;
    page[9] = 0;
    store_le(page.data() + page_bytes - 4, crc32c(Bytes(page).first(page_bytes - 4)));
    const auto decoded = decode(page);
    if (!decoded) return;
    Page again;
    encode(*decoded, again);
    const auto twice = decode(again);
    require(twice.ok() && *twice == *decoded);
}

void seal_group(MutableBytes header) {
    copy(as_bytes("RVLG"), header);
    header[4] = 1;
    store_le(header.data() + 76, crc32c(Bytes(header).first(76), crc32c(Bytes(header).subspan(8, 8))));
}

void try_group_header(Bytes input) {
    std::uint8_t bytes[group_header_bytes] = {};
    copy(input.first(std::min(input.size(), sizeof bytes)), bytes);
    (void)decode_group_header(bytes, Lsn(load_le<std::uint64_t>(bytes + 16)), small_geometry());
    seal_group(bytes);
    const Lsn lsn(load_le<std::uint64_t>(bytes + 16));
    const auto header = decode_group_header(bytes, lsn, small_geometry());
    if (!header) return;
    require(header->end() <= small_geometry().segment_start(small_geometry().sequence(lsn) + 1));
    std::uint8_t again[group_header_bytes];
    encode_group_header(*header, again);
    const auto twice = decode_group_header(again, lsn, small_geometry());
    require(twice.ok() && *twice == *header);
}

void try_table(Bytes input) {
    Reader in(input);
    GroupHeader header;
    header.extent_count = in.le<std::uint32_t>();
    header.payload_bytes = in.le<std::uint32_t>();
    header.base_timestamp = Timestamp(in.le<std::int64_t>());
    const Bytes table = in.rest();
    TableReader reader(header, table);
    Buffer again(table.size() + 16);
    TableWriter writer(again, header.base_timestamp);
    std::uint64_t position = 0;
    for (Extent e; reader.next(e);) {
        require(e.position == position && e.position + std::uint64_t{e.bytes} <= header.payload_bytes && e.last() >= e.base);
        position += e.bytes;
        std::uint32_t crc_at = 0;
        require(writer.add(e, crc_at));
    }
    // Canonical: only one encoding is accepted.
    if (reader.error() == Error::none && in.ok()) require(equal(table, Bytes(again).first(writer.bytes())));
}

void try_footer(Bytes input) {
    if (input.size() < footer_tail_bytes) return;
    Buffer bytes(input.begin(), input.end());
    std::uint8_t* const tail = bytes.data() + bytes.size() - footer_tail_bytes;
    copy(as_bytes("RVLFOOTR"), {tail, 8});
    const std::size_t body_bytes = bytes.size() - footer_tail_bytes;
    store_le(tail + 36, static_cast<std::uint32_t>(body_bytes));
    store_le(tail + 40, crc32c(Bytes(bytes).first(body_bytes)));
    store_le(tail + 60, crc32c({tail, 60}));
    const auto decoded = decode_footer_tail({tail, footer_tail_bytes}, load_le<std::uint64_t>(tail + 8), small_geometry());
    if (!decoded) return;
    FooterReader reader(*decoded, Bytes(bytes).first(body_bytes));
    LogId previous(0);
    for (FooterEntry entry; reader.next(entry);) {
        require(entry.log > previous && entry.last >= entry.first && entry.page < decoded->end_page);
        previous = entry.log;
    }
}

void try_trailer(Bytes input) {
    TrailerReader reader(input);
    std::size_t n = 0;
    for (TrailerEntry entry; reader.next(entry);) ++n;
    require(n <= input.size() / 13);
}

void encode_again(const JournalRecord& r, Writer& out) {
    switch (r.type) {
        case RecordType::run_start: return encode(r.run_start, out);
        case RecordType::log_create: return encode(r.log_create, out);
        case RecordType::log_delete: return encode(r.log_delete, out);
        case RecordType::log_start: return encode(r.log_start, out);
        case RecordType::truncate: return encode(r.truncate, out);
        case RecordType::ceiling: return encode(r.ceiling, out);
        case RecordType::retire: return encode(r.retire, out);
        case RecordType::clock: return encode(r.clock, out);
        case RecordType::fence: return encode(r.fence, out);
        case RecordType::epoch: return encode(r.epoch, out);
        case RecordType::jump: return encode(r.jump, out);
        default: return encode_passed(r.type, r.passed, out);
    }
}

void try_records(Bytes input) {
    RecordsReader reader(input);
    Buffer again(input.size());
    Writer out(again);
    for (JournalRecord record; reader.next(record);) encode_again(record, out);
    require(out.ok() && equal(out.written(), input.first(out.size())));
    require(reader.error() != Error::none || out.size() == input.size());
}

void try_checkpoint_body(Bytes input) {
    Reader in(input);
    while (!in.at_end()) {
        const auto chunk = decode_chunk_header(in.bytes(std::min(in.remaining(), chunk_header_bytes)));
        if (!chunk) return;
        (void)count_entries(chunk->section, in.bytes(std::min<std::size_t>(chunk->length, in.remaining())));
    }
}

void try_producers(Bytes input) {
    Reader in(input);
    for (ProducerImage image; !in.at_end() && decode_producer(in, image);) {
        std::uint8_t bytes[producer_image_bytes_max];
        Writer out(bytes);
        encode_producer(image, out);
        require(out.ok());
        Reader again(out.written());
        ProducerImage twice;
        require(decode_producer(again, twice) && again.at_end());
        require(twice.producer == image.producer && twice.log == image.log && twice.epoch == image.epoch && twice.first_sequence == image.first_sequence && twice.count == image.count);
        for (std::uint32_t i = 0; i < image.count; ++i) require(twice.spans[i] == image.spans[i] && twice.bases[i] == image.bases[i]);
    }
}

// The files of a store in memory, read-only.
class Files final : public env::Disk {
public:
    Buffer super = Buffer(super_bytes), journal = Buffer(static_cast<std::size_t>(small_geometry().journal_bytes())), checkpoint;

    env::File& journal_file() { return *reinterpret_cast<env::File*>(&journal); }
    Result<env::File*> open(std::string_view path, env::OpenMode) override {
        Buffer* const file = path == "s/super" ? &super : path == "s/journal" ? &journal : path == "s/checkpoint.0" ? &checkpoint : nullptr;
        if (!file) return fail(Error::not_found);
        return reinterpret_cast<env::File*>(file);
    }
    Result<std::size_t> read(env::File& file, std::uint64_t position, MutableBytes into) override {
        const Buffer& bytes = *reinterpret_cast<Buffer*>(&file);
        if (position >= bytes.size()) return std::size_t{0};
        const Bytes rest = Bytes(bytes).subspan(static_cast<std::size_t>(position));
        const std::size_t n = std::min(into.size(), rest.size());
        copy(rest.first(n), into);
        return n;
    }
    void close(env::File&) override {}
    Status lock(env::File&) override { return {}; }
    Result<std::uint64_t> size(env::File& file) override { return std::uint64_t{reinterpret_cast<Buffer*>(&file)->size()}; }
    Status allocate(env::File&, std::uint64_t) override { return fail(Error::read_only); }
    Status write(env::File&, std::uint64_t, std::span<const Bytes>) override { return fail(Error::read_only); }
    Status sync(env::File&) override { return fail(Error::read_only); }
    Status make_directory(std::string_view) override { return fail(Error::read_only); }
    Status sync_directory(std::string_view) override { return fail(Error::read_only); }
    Status remove(std::string_view) override { return fail(Error::read_only); }
    Result<bool> exists(std::string_view) override { return false; }
};

// A journal from pieces: u8 flags (1 group: seal header and table), u8 page, u16 bytes, bytes.
void build_journal(Bytes input, Files& files) {
    Reader in(input);
    while (!in.at_end()) {
        const std::uint8_t flags = in.u8();
        const std::size_t at = in.u8() % (files.journal.size() / page_bytes) * page_bytes;
        const auto wanted = in.le<std::uint16_t>();
        if (!in.ok()) return;
        const Bytes bytes = in.bytes(std::min({std::size_t{wanted}, in.remaining(), files.journal.size() - at}));
        copy(bytes, std::span(files.journal).subspan(at));
        const MutableBytes group = std::span(files.journal).subspan(at);
        if ((flags & 1U) == 0) continue;
        const auto table_bytes = load_le<std::uint32_t>(group.data() + 60);
        if (table_bytes <= group.size() - group_header_bytes)
            store_le(group.data() + 72, table_crc(load_le<std::uint64_t>(group.data() + 8), group.subspan(group_header_bytes, table_bytes)));
        seal_group(group);
    }
}

void walk(Files& files, const WalkStart& start, const SuperRun& super) {
    const Geometry geometry = small_geometry();
    Buffer window(walk_window_bytes(geometry));
    JournalWalk walk(files, files.journal_file(), geometry, window, start, super);
    Lsn position = walk.position();
    for (unsigned steps = 0;; ++steps) {
        require(steps < 1000);
        const JournalWalk::Step step = walk.next();
        require(walk.position() >= position);
        if (step == JournalWalk::Step::end || step == JournalWalk::Step::failed) return;
        if (step == JournalWalk::Step::hole) require(walk.hole_from() == position && walk.hole_to() > position);
        if (step == JournalWalk::Step::group) {
            require(walk.header().lsn >= position && walk.position() == walk.header().end());
            TableReader table(walk.header(), walk.table());
            for (Extent e; table.next(e);) (void)walk.extent_holds(e);
            require(walk.payload()->size() == walk.header().payload_bytes);
        }
        position = walk.position();
    }
}

struct NoLines final : LineSink {
    void line(std::string_view) override {}
};

void try_journal(Bytes input) {
    Files files;
    build_journal(input, files);
    walk(files, {small_geometry().first_group(1), 0, {}, {}}, {});
    walk(files, {small_geometry().first_group(1) + 2 * page_bytes, 0xa, small_geometry().first_group(1), {}}, {true, 0xb, Lsn(20 * page_bytes)});
    walk(files, {small_geometry().first_group(7), 0xa, Lsn(17 * page_bytes), small_geometry().first_group(9)}, {});
}

// u16 bytes of a checkpoint (header without its CRC, then body), then the pieces of a journal.
void try_store(Bytes input) {
    Reader in(input);
    const auto wanted = in.le<std::uint16_t>();
    const Bytes checkpoint = in.bytes(std::min<std::size_t>(wanted, in.remaining()));
    const Geometry geometry = small_geometry();
    Files files;
    encode_super({geometry, 1, false, 1, 0xa, geometry.first_group(1), Lsn(0)}, std::span(files.super).subspan(page_bytes).first<page_bytes>());
    files.checkpoint.resize(2 * page_bytes + checkpoint.size());
    const std::size_t in_header = std::min<std::size_t>(checkpoint.size(), 128);
    copy(checkpoint.first(in_header), files.checkpoint);
    copy(checkpoint.subspan(in_header), std::span(files.checkpoint).subspan(page_bytes));
    const std::size_t body_bytes = checkpoint.size() - in_header;
    std::uint8_t* const page = files.checkpoint.data();
    store_le(page + 12, static_cast<std::uint32_t>(body_bytes));
    store_le(page + 116, crc32c(Bytes(files.checkpoint).subspan(page_bytes, body_bytes)));
    store_le(page + page_bytes - 4, crc32c({page, page_bytes - 4}));
    build_journal(in.rest(), files);

    NoLines lines;
    OfflineStore store(files);
    if (!store.open("s")) return;
    Buffer scratch(verify_scratch_bytes(store.geometry(), 8));
    (void)verify(store, true, scratch, lines);
    (void)inspect(store, {}, scratch, lines);
    InspectOptions options;
    options.log = LogId(0);
    (void)inspect(store, options, scratch, lines);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const Bytes input(data + 1, size - 1);
    switch (data[0]) {
        case 0: try_page(input, "RVLSUPER", decode_super, encode_super); break;
        case 1: try_page(input, "RVLSEGMT", decode_segment_header, encode_segment_header); break;
        case 2: try_page(input, "RVLCHKPT", decode_checkpoint_header, encode_checkpoint_header); break;
        case 3: try_group_header(input); break;
        case 4: try_table(input); break;
        case 5: try_footer(input); break;
        case 6: try_trailer(input); break;
        case 7: try_records(input); break;
        case 8: try_checkpoint_body(input); break;
        case 9: {
            CatalogueEntry entry;
            (void)decode_catalogue_entry(input, entry);
            break;
        }
        case 10: try_journal(input); break;
        case 11: try_store(input); break;
        case 12: try_producers(input); break;
        default: break;
    }
    return 0;
}
