#include "support/kafka_versioned.h"

namespace rivulet::wire::kafka {

Result<Codec> begin_versioned(Bytes bytes, const StructureVersions& versions) {
    Reader in(bytes);
    const auto version = in.be<std::int16_t>();
    if (!in.ok()) return fail(Error::malformed, static_cast<std::int64_t>(bytes.size()));
    const bool newer = version > versions.highest;
    if (version < versions.lowest || (newer && !versions.open)) return fail(Error::unsupported_version, version);
    const std::int16_t known = newer ? versions.highest : version;
    return Codec(bytes.subspan(in.position()), known, known >= versions.flexible_from);
}

}  // namespace rivulet::wire::kafka
