// reload(): what of a new configuration takes effect without a restart.
#include "config/cross_check.h"
#include "config/topic_keys.h"
#include "config/value.h"

namespace rivulet::config {

namespace {

Effect effect_of(SectionId section, const Key& key) {
    // A topic's section is only what it is created with.
    return key.reloadable || section == SectionId::topic ? Effect::applied : Effect::needs_restart;
}

void tell(ChangeSink& changes, const Config& from, const Config& to, Place old_place, Place new_place) {
    char section_buffer[section_text_max];
    Text section(section_buffer);
    print_section(to, new_place, section);
    for (std::size_t i = 0; i < keys_count(new_place.section); ++i) {
        const Key& key = key_at(new_place.section, i);
        const void* const before = object_at(from, old_place, i);
        const void* const after = object_at(to, new_place, i);
        if (same_value(key, before, after)) continue;
        char before_buffer[path_bytes_max];
        char after_buffer[path_bytes_max];
        Text before_text(before_buffer);
        Text after_text(after_buffer);
        print_value(key, before, before_text);
        print_value(key, after, after_text);
        changes.on_change({section.view(), key.name, before_text.view(), after_text.view(), effect_of(new_place.section, key)});
    }
}

void tell_instance(ChangeSink& changes, const Config& config, Place place, bool came) {
    char buffer[section_text_max];
    Text section(buffer);
    print_section(config, place, section);
    const Effect effect = place.section == SectionId::topic ? Effect::applied : Effect::needs_restart;
    changes.on_change({section.view(), {}, came ? "" : "present", came ? "present" : "", effect});
}

void tell_all(ChangeSink& changes, const Config& running, const Config& next) {
    for (const SectionInfo& info : sections()) {
        for (std::uint32_t i = 0; i < instances(running, info.id); ++i) {
            const Place place{info.id, i};
            Place other = place;
            if (!info.named || find_instance(next, info.id, instance_name(running, place), other)) tell(changes, running, next, place, other);
            else tell_instance(changes, running, place, false);
        }
        if (!info.named) continue;
        for (std::uint32_t i = 0; i < instances(next, info.id); ++i) {
            const Place place{info.id, i};
            Place other;
            if (!find_instance(running, info.id, instance_name(next, place), other)) tell_instance(changes, next, place, true);
        }
    }
}

// What changed and needs a restart keeps its old value and origin.
void take_keys(Config& merged, const Config& next, Place to, Place from) {
    for (std::size_t i = 0; i < keys_count(to.section); ++i) {
        const Key& key = key_at(to.section, i);
        void* const into = object_at(merged, to, i);
        const void* const value = object_at(next, from, i);
        if (!key.reloadable && !same_value(key, into, value)) continue;
        copy_value(key, value, into);
        origin_at(merged, to, i) = origin_at(next, from, i);
    }
}

void take_topics(Config& merged, const Config& next) {
    merged.defaults.config = next.defaults.config;
    merged.topic_slots = next.topic_slots;
    merged.topic_count = next.topic_count;
    for (std::uint32_t instance = 0; instance < next.topic_count; ++instance) {
        const Place place{SectionId::topic, instance};
        for (std::size_t i = 0; i < keys_count(place.section); ++i) origin_at(merged, place, i) = origin_at(next, place, i);
    }
}

}  // namespace

Status reload(Config& running, const Config& next, ChangeSink& changes, ProblemSink& sink) {
    Config merged = running;
    for (const SectionInfo& info : sections()) {
        if (info.id == SectionId::topic) continue;
        for (std::uint32_t i = 0; i < instances(running, info.id); ++i) {
            const Place place{info.id, i};
            Place from = place;
            if (!info.named || find_instance(next, info.id, instance_name(running, place), from)) take_keys(merged, next, place, from);
        }
    }
    take_topics(merged, next);
    merged.file_name = next.file_name;
    Problems problems(sink);
    cross_check(merged, problems);
    RIVULET_TRY(problems.finish());
    tell_all(changes, running, next);
    running = merged;
    return {};
}

}  // namespace rivulet::config
